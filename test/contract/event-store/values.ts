// What is read is what was written, to the last bit: values and claims, names, 64-bit integers, and what retries need.

import { Effect } from "effect"
import { assert } from "vitest"
import { EventStore } from "../../../application/ports/EventStore.ts"
import type { Event } from "../../../domain/event.ts"
import { methods } from "../../../domain/event.ts"
import { type Json, type JsonObject, utf8Bytes } from "../../../domain/json.ts"
import { valuesBytesMax, valuesDepthMax } from "../../../domain/limits.ts"
import { fresh, type Law, same } from "../law.ts"
import { entitiesOf, eventsOf, globOf } from "./searching.ts"
import { append, commit, type Draft, entityOf, job, logOf, refIn, set } from "./writing.ts"

/** Finds the events of a fresh domain by every read there is. */
const readsBack = Effect.fnUntraced(function* (events: ReadonlyArray<Event>) {
  const store = yield* EventStore
  for (const event of events) {
    const { domain, type, key, version } = event.entity
    same(yield* store.event(event.entity, event.id), event, "event")
    same(yield* store.read(domain, event.position - 1n, 1), [event], "read")
    const id = JSON.stringify(event.id)
    same(yield* eventsOf(domain, type, { filter: `{"id":${id}}` }), [event], "events")
    if (events.some(({ entity }) => entity.key === key && entity.type === type && entity.version > version)) continue
    same(yield* store.state(event.entity), { ...event.entity, deleted: event.method === methods.del }, "state")
    const alive = event.method === methods.del ? [] : [event.entity]
    const found = (yield* entitiesOf(domain, type)).filter((entity) => entity.key === key)
    same(found.map(entityOf), alive, "entities")
  }
})

const object = (...entries: ReadonlyArray<readonly [string, Json]>): JsonObject => Object.fromEntries(entries)

const nested = (depth: number): JsonObject => {
  let value: Json = "deep"
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? { a: value } : [value]
  return { a: value }
}

const kinds: ReadonlyArray<JsonObject> = [
  {},
  { null: null, true: true, false: false, text: "", list: [], object: {}, nested: [null, [null], { a: null }] },
  {
    zero: 0,
    minus: -1,
    half: 0.5,
    large: 1e308,
    small: 5e-324,
    odd: 0.1 + 0.2,
    exact: 2 ** 53,
    minusExact: -(2 ** 53)
  },
  { whole: [1, 1e21, 2 ** 31, 2 ** 32, 2 ** 63, 2 ** 64, -(2 ** 63)], negativeZero: -0 },
  {
    texts: [
      "𝄞",
      "é",
      "e\u0301",
      "\uffff",
      "\ue000",
      "\u2028",
      "\n\t\r",
      "\u0001",
      "\u007f",
      "👩‍👩‍👧",
      "'",
      '"',
      "\\",
      "%",
      "$"
    ]
  },
  {
    numbers: ["1", "1e3", "NaN", "Infinity", "9007199254740993", "2020-01-01", "2020-01-01T00:00:00Z", "true", "null"]
  },
  object(["", "empty"], ["__proto__", { a: 1 }], ["constructor", "c"], ["toString", null], ["hasOwnProperty", 1]),
  object(
    ["a.b", 1],
    ["$set", 2],
    ["$", 3],
    [".", 4],
    ["_id", 5],
    ["q'\"", 6],
    ["\\", 7],
    ["𝄞", 8],
    ["0", 9],
    ["[0]", 10]
  ),
  { a: object(["__proto__", object(["__proto__", []])], ["", object(["", ""])]) },
  { $oid: "507f1f77bcf86cd799439011", $date: { $numberLong: "0" }, a: { $numberDouble: "NaN" } },
  nested(valuesDepthMax - 1)
]

const exact: Law<EventStore> = {
  name: "values and claims come back exactly",
  check: Effect.gen(function* () {
    const drafts = kinds.map((values, n): Draft => ({ key: `k${n}`, values, claims: { n, values } }))
    yield* readsBack(yield* append(fresh("values"), drafts))
  })
}

const largest: Law<EventStore> = {
  name: "the largest values come back exactly",
  check: Effect.gen(function* () {
    const characters = (valuesBytesMax - utf8Bytes('{"text":""}')) / 4
    const values = { text: "𝄞".repeat(characters) }
    assert.isAbove(utf8Bytes(JSON.stringify(values)), valuesBytesMax - 8)
    yield* readsBack(yield* append(fresh("largest"), [{ key: "a", values, claims: { long: "x".repeat(8_000) } }]))
  })
}

const everything: Law<EventStore> = {
  name: "method, claims, idempotency, trace and the mark of erasure come back",
  check: Effect.gen(function* () {
    const call = { caller: '["https://issuer","𝄞 \'"]', key: "k'\"% 𝄞", hash: "0123abcd".repeat(8) }
    const drafts: ReadonlyArray<Draft> = [
      {
        key: "a",
        method: methods.set,
        claims: { iss: "https://issuer", aud: ["a", "b"], exp: 1e9 },
        idempotency: call
      },
      { key: "a", method: methods.edit, idempotency: call, traceparent: `00-${"4b".repeat(16)}-${"a1".repeat(8)}-01` },
      { key: "b", method: methods.revert, erased: true },
      {
        key: "b",
        method: methods.del,
        values: { last: true },
        traceparent: `00-${"0c".repeat(16)}-${"00f1".repeat(4)}-00`
      },
      { key: "c", erased: true, idempotency: { ...call, key: "x".repeat(255) } }
    ]
    yield* readsBack(yield* append(fresh("everything"), drafts))
  })
}

const integers: Law<EventStore> = {
  name: "times and versions are exact up to 2^63 - 1",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const [far, end] = [fresh("far"), fresh("end")]
    const ref = refIn(far, "a")
    const time = 2n ** 62n + 1n
    yield* commit(far, [job(ref, set({ n: 1 }))], () => time)
    // The clock of a gateway that is not ahead: the log goes on from where it was.
    const { head, events } = yield* commit(far, [job(ref, set({ n: 2 })), job(ref, set({ n: 3 }))])
    same(
      events.map((event) => event.time),
      [time + 1n, time + 2n],
      "times"
    )
    const log = yield* logOf(far)
    yield* readsBack(log)
    same((yield* store.heads(globOf(far), 1))[0], head, "the head")
    assert.strictEqual(head.time, time + 2n)
    const between = (min: bigint, max: bigint) =>
      Effect.map(eventsOf(far, "thing", { min, max }), (found) => found.map(({ position }) => position))
    same(yield* between(time, 0n), [2n, 3n], "after a time")
    same(yield* between(0n, time + 2n), [1n, 2n], "before a time")
    same(yield* between(time, time + 2n), [2n], "between two times")
    same(yield* between(time, time + 1n), [], "between two times that touch")
    const last = 2n ** 63n - 1n
    const drafts = [2n, 1n, 0n].map(
      (n): Draft => ({ key: "a", time: last - n, version: last - n, values: { n: Number(n) } })
    )
    yield* readsBack(yield* append(end, drafts))
    const found = yield* eventsOf(end, "thing", { filter: `{"entity.version":${last - 1n}}` })
    same(
      found.map(({ position }) => position),
      [2n],
      "by version"
    )
  })
}

export const values = [exact, largest, everything, integers]
