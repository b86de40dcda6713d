// The port over commit records, over maps: what holds here does not depend on a database.

import { Clock, Effect, Layer } from "effect"
import { EventStore, type Search } from "../../../application/ports/EventStore.ts"
import { type RecordStorePrimitives, recordStore } from "../../../application/storage/record-store.ts"
import { scan } from "../../../application/storage/scan.ts"
import type { Entity } from "../../../domain/entity.ts"
import { refText } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { compareBy, compareText, isBehind, sortKey } from "../../../domain/query.ts"
import { PrimitivesUnderTest } from "../../contract/CommitPrimitives.ts"
import { commitStops } from "../../contract/commit-stops.ts"
import { contract } from "../../contract/EventStore.ts"
import { directly, primitivesOver, Rows } from "./simulated-rows.ts"

const found = <Subject extends Entity | Event>(search: Search, subjects: ReadonlyArray<Subject>) => {
  const { order, after } = search
  const rows = subjects
    .filter((one) => after === undefined || order.at !== undefined || isBehind(order, sortKey(order, one), after))
    .toSorted(compareBy({ ...order, at: undefined }))
  const pieces = [rows]
  return scan<Subject, Subject>(search, {
    next: Effect.sync(() => pieces.pop() ?? []),
    subjectOf: (one) => one,
    again: (ties) => Effect.succeed(rows.filter((one) => ties.includes(sortKey(order, one).tie)))
  })
}

const primitives = (rows: Rows): RecordStorePrimitives => {
  const eventsOf = (domain: string) => [...rows.events.values()].filter(({ entity }) => entity.domain === domain)
  const heads = () => [...rows.applied.values()].sort((a, b) => compareText(a.domain, b.domain))
  return {
    ...primitivesOver(rows, directly),
    state: (ref) => Effect.sync(() => rows.states.get(refText(ref))),
    version: (ref, version) =>
      Effect.sync(() =>
        eventsOf(ref.domain).find(({ entity }) => refText(entity) === refText(ref) && entity.version === version)
      ),
    event: (ref, id) =>
      Effect.sync(() =>
        eventsOf(ref.domain).find((event) => refText(event.entity) === refText(ref) && event.id === id)
      ),
    eventsBetween: (domain, after, upTo, limit) =>
      Effect.sync(() =>
        Array.from({ length: Math.min(limit, Number(upTo - after)) }, (_, i) =>
          rows.event(domain, after + BigInt(i) + 1n)
        ).filter((event) => event !== undefined)
      ),
    entities: (search) =>
      Effect.suspend(() => {
        const states = [...rows.states.values()].filter(({ deleted }) => !deleted)
        return found(
          search,
          states.filter(({ domain, type }) => domain === search.domain && type === search.type)
        )
      }),
    events: (search, upTo) =>
      Effect.suspend(() => {
        const { type, min, max } = search
        const within = ({ entity, time, position }: Event) =>
          entity.type === type && time > min && (max === 0n || time < max) && position <= upTo.position
        return found(search, eventsOf(search.domain).filter(within))
      }),
    headsFrom: (prefix, visit) =>
      Effect.sync(() => heads().every((head) => compareText(head.domain, prefix) < 0 || visit(head))),
    headsMovedSince: () => Effect.sync(heads),
    now: Clock.currentTimeMillis,
    healthCheck: Clock.currentTimeMillis,
    isServerReply: () => false
  }
}

const storeOver = (rows: Rows) => Layer.effect(EventStore, recordStore(primitives(rows)))
const [shared, stopped] = [new Rows(), new Rows()]

contract("records over maps", Layer.unwrap(Effect.sync(() => storeOver(new Rows()))), {
  share: () => storeOver(shared)
})
commitStops(
  "maps",
  Layer.merge(
    storeOver(stopped),
    Layer.sync(PrimitivesUnderTest, () => primitivesOver(stopped, directly))
  )
)
