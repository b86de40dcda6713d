// A gateway in this process: the real pipeline on the memory store, without sockets, authentication or policies.

import { Effect, Layer, ManagedRuntime } from "effect"
import { layer as disabled } from "../../adapters/auth/disabled/authenticator.ts"
import { layer as inmem } from "../../adapters/channel/inmem/channel.ts"
import { layer as allowAll } from "../../adapters/policy/allow-all/policy.ts"
import { layer as memory } from "../../adapters/storage/memory/store.ts"
import { Gate } from "../../adapters/transport/call/gate.ts"
import { Pipeline } from "../../adapters/transport/call/pipeline.ts"
import { Access } from "../../application/access.ts"
import { Committer } from "../../application/committer.ts"
import { Entities } from "../../application/entities.ts"
import type { Unavailable } from "../../application/failure.ts"
import { Feed } from "../../application/feed/feed.ts"
import { History } from "../../application/history.ts"
import type { Authenticator } from "../../application/ports/Authenticator.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import type { Policy } from "../../application/ports/Policy.ts"
import { type CallRecord, combineTelemetry, Telemetry } from "../../application/telemetry.ts"
import { type Glob, parseGlob } from "../../domain/glob.ts"

const parsed = parseGlob("*")
const everything: Glob = parsed.ok ? parsed.glob : (undefined as never)

export interface Parts {
  readonly authenticator?: Layer.Layer<Authenticator>
  readonly policy?: Layer.Layer<Policy>
  readonly store?: Layer.Layer<EventStore>
}

/** Everything from the gate down; each finished call is appended to the records. */
export const gatewayLayer = (
  records: Array<CallRecord>,
  { authenticator = disabled, policy = allowAll, store = memory }: Parts = {}
): Layer.Layer<Gate | Feed | EventStore, Unavailable> => {
  const telemetry = Layer.succeed(Telemetry, combineTelemetry({ recordCall: (record) => void records.push(record) }))
  return Gate.layer.pipe(
    Layer.provide(Pipeline.layer),
    Layer.provide(Layer.mergeAll(Access.layer, Entities.layer, History.layer, telemetry)),
    Layer.provideMerge(Feed.layer),
    Layer.provide(Committer.layer),
    Layer.provide(Layer.mergeAll(inmem, authenticator, policy)),
    // Fresh, since each gateway of a test has a store of its own.
    Layer.provideMerge(Layer.fresh(store))
  )
}

export interface Gateway {
  readonly gate: Gate["Service"]
  readonly records: ReadonlyArray<CallRecord>
  /** How many events the domain's log holds. */
  readonly events: (domain: string) => Promise<number>
  /** How many domains there are. */
  readonly domains: () => Promise<number>
  /** Ends all streams, as a shutdown does. */
  readonly drain: () => Promise<void>
  readonly close: () => Promise<void>
}

export const startGateway = async (parts: Parts = {}): Promise<Gateway> => {
  const records: Array<CallRecord> = []
  const runtime = ManagedRuntime.make(gatewayLayer(records, parts))
  return {
    gate: await runtime.runPromise(Effect.service(Gate)),
    records,
    events: (domain) =>
      runtime.runPromise(
        Effect.map(
          EventStore.use((store) => store.read(domain, 0n, 1000)),
          (events) => events.length
        )
      ),
    domains: () =>
      runtime.runPromise(
        Effect.map(
          EventStore.use((store) => store.heads(everything, 1000)),
          (heads) => heads.length
        )
      ),
    drain: () => runtime.runPromise(Feed.use((feed) => feed.drain)),
    close: () => runtime.dispose()
  }
}
