import { Context, Effect, Exit, Layer, Scope } from "effect"
import * as Inmem from "../../adapters/channel/inmem/channel.ts"
import { Committer } from "../../application/committer.ts"
import type { Channel } from "../../application/ports/Channel.ts"
import type { Job } from "../../domain/batch.ts"
import type { GatedStore } from "./gated-store.ts"

/** A committer, and the scope that ends it. */
export const started = Effect.fnUntraced(function* (
  store: GatedStore,
  channel: Layer.Layer<Channel> = Inmem.layer,
  capacity = {}
) {
  const scope = yield* Scope.make()
  const layer = Layer.provide(Committer.layer, Layer.merge(store.layer(capacity), channel))
  const { submit } = Context.get(yield* Layer.buildWithScope(layer, scope), Committer)
  const submitted = (job: Job) => Effect.forkChild(submit(job), { startImmediately: true })
  return { submit, submitted, stop: Scope.close(scope, Exit.void) }
})
