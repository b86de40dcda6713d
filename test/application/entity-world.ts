// Entities and history over the memory store, in which events can be erased; and short ways to call them.

import { expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Inmem from "../../adapters/channel/inmem/channel.ts"
import * as Memory from "../../adapters/storage/memory/store.ts"
import { Committer } from "../../application/committer.ts"
import { type AsOf, Entities, type Request } from "../../application/entities.ts"
import { History } from "../../application/history.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import type { Precondition } from "../../domain/command.ts"
import type { Event } from "../../domain/event.ts"
import type { JsonObject } from "../../domain/json.ts"

export const ref = (key: string) => ({ domain: "d", type: "t", key })
export const none: Precondition = { _tag: "None" }
export const at = (version: bigint): Precondition => ({ _tag: "Versions", versions: [version] })

export const set = (key: string, values: JsonObject, precondition: Precondition = none): Request => ({
  ref: ref(key),
  change: { _tag: "Set", values },
  precondition
})
export const edit = (key: string, values: JsonObject, precondition: Precondition = none): Request => ({
  ref: ref(key),
  change: { _tag: "Edit", values },
  precondition
})
export const del = (key: string, precondition: Precondition = none): Request => ({
  ref: ref(key),
  change: { _tag: "Del" },
  precondition
})
export const revert = (key: string, { id }: { id: string }, precondition: Precondition = none): Request => ({
  ref: ref(key),
  change: { _tag: "RevertTo", eventId: id },
  precondition
})

export const change = (request: Request, key?: string, hash = "h") =>
  Effect.flatMap(Entities, (entities) => entities.change(request, caller(key, hash)))
export const apply = (requests: ReadonlyArray<Request>, key?: string) =>
  Effect.flatMap(Entities, (entities) => entities.apply("d", requests, caller(key, "h")))
const caller = (key: string | undefined, hash: string) => ({
  claims: { sub: "anna" },
  ...(key === undefined ? {} : { idempotency: { caller: "c", key, hash } })
})
export const get = (key: string, asOf: AsOf = { _tag: "Now" }) =>
  Effect.flatMap(Entities, (entities) => entities.get(ref(key), asOf))
export const version = (number: bigint): AsOf => ({ _tag: "Version", version: number })
export const time = (nanoseconds: bigint): AsOf => ({ _tag: "Time", time: nanoseconds })
export const one = (request: Request) => Effect.map(change(request), ({ events }) => events[0]!)
export const notFound = (words: string) => ({ _tag: "NotFound", message: expect.stringContaining(words) })

/** Events that were erased meanwhile, by id. */
export const erased = new Set<string>()
const erasing = Layer.effect(
  EventStore,
  Effect.map(EventStore, (store) => {
    const shown = (event: Event | undefined) =>
      event === undefined || !erased.has(event.id)
        ? event
        : { ...event, entity: { ...event.entity, values: {} }, claims: {}, erased: true }
    return EventStore.of({
      ...store,
      event: (ref, id) => Effect.map(store.event(ref, id), shown),
      version: (ref, number) => Effect.map(store.version(ref, number), shown)
    })
  })
).pipe(Layer.provide(Memory.layer))
const gateway = Layer.merge(Entities.layer, History.layer).pipe(
  Layer.provide(Committer.layer),
  Layer.provide(Layer.merge(erasing, Inmem.layer))
)
export const test = (name: string, body: () => Effect.Effect<unknown, unknown, Entities | History>) =>
  it.effect(name, () => Effect.provide(body(), gateway))
