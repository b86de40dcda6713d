import { Effect, Exit, Fiber, ManagedRuntime } from "effect"
import { afterAll, assert, beforeAll, test } from "vitest"
import { layer } from "../../adapters/storage/sqlite/store.ts"
import { scanRowsMax } from "../../application/limits.ts"
import { type EventSearch, EventStore, type Search } from "../../application/ports/EventStore.ts"
import { type Event, methods } from "../../domain/event.ts"
import { parseQuery, parseSort } from "../../domain/query.ts"
import { itemsOf, walk } from "../contract/event-store/searching.ts"
import { temporaryFolder } from "../support/process.ts"

// Searches that look at more rows than anyone is served, over one entity more than that.

const batch = 1000
let folder: ReturnType<typeof temporaryFolder>
let runtime: ManagedRuntime.ManagedRuntime<EventStore, unknown>

const eventAt = (n: number): Event => {
  const key = String(n).padStart(7, "0")
  const entity = { domain: "wide", type: "row", key, values: { n, tags: [{ a: n }, { a: -n }] }, version: 1n }
  const id = crypto.randomUUID()
  return { id, position: BigInt(n), time: BigInt(n), method: methods.set, entity, claims: {}, erased: false }
}

const search = (query: string, sort = "", more: Partial<Search> = {}): Search => {
  const parsed = parseQuery(query, "entity")
  const order = parseSort(sort, false, "entity")
  if (!parsed.ok || !order.ok) throw new Error("the search is wrong")
  return { domain: "wide", type: "row", query: parsed.query, order: order.order, limit: 10, offset: 0, ...more }
}

const entities = (wanted: Search) => EventStore.use((store) => store.entities(wanted))

beforeAll(async () => {
  folder = temporaryFolder()
  runtime = ManagedRuntime.make(layer({ path: `${folder.path}/wide.db` }))
  for (let from = 1; from <= scanRowsMax + 1; from += batch) {
    const events = Array.from({ length: Math.min(batch, scanRowsMax + 2 - from) }, (_, i) => eventAt(from + i))
    const unit = { domain: "wide", refs: [], keys: [], decide: () => events }
    await runtime.runPromise(EventStore.use((store) => store.commit([unit])))
  }
}, 120_000)
afterAll(async () => {
  await runtime.dispose()
  folder.remove()
})

const keys = async (wanted: Search) =>
  itemsOf(await runtime.runPromise(entities(wanted))).map(({ values }) => values["n"])

test("a page that is found early is served, however many rows there are", async () => {
  assert.deepStrictEqual(await keys(search('{"n":{"$gt":5000}}', "", { limit: 2 })), [5001, 5002])
  assert.deepStrictEqual(await keys(search("", "", { limit: 2, offset: 9000 })), [9001, 9002])
})

test.each([
  ["a filter that matches nothing", search('{"n":-1}')],
  ["a page that is not filled", search(`{"n":{"$gte":${scanRowsMax}}}`, "", { limit: 3 })],
  ["a sort", search("", "n")]
])("%s would look at too many rows, and says so", async (_, wanted) => {
  const exit = await runtime.runPromiseExit(entities(wanted))
  assert.isTrue(Exit.isFailure(exit))
  assert.include(String(exit), "TooLarge")
})

test.each([false, true])("pages go on to the last entity and event, from the end: %s", async (reverse) => {
  const order = { subject: "entity", at: undefined, reverse } as const
  const pages = await runtime.runPromise(walk(order, (more) => entities(search("", "", { ...more, order })), [1000]))
  const expected = Array.from({ length: scanRowsMax + 1 }, (_, i) => i + 1)
  if (reverse) expected.reverse()
  assert.deepStrictEqual(
    pages.flatMap(itemsOf).map(({ values }) => values["n"]),
    expected
  )
  const events = (more: Partial<Search>) =>
    EventStore.use((store) =>
      store.events({ ...search("", "", more), order: { ...order, subject: "event" }, min: 0n, max: 0n })
    )
  const found = await runtime.runPromise(walk({ ...order, subject: "event" }, events, [1000]))
  assert.deepStrictEqual(
    found.flatMap(itemsOf).map(({ position }) => Number(position)),
    expected
  )
})

test.each([false, true])(
  "a page that may hold less goes on behind the rows it looked at, from the end: %s",
  async (reverse) => {
    const order = { subject: "entity", at: undefined, reverse } as const
    const n = reverse ? 1 : scanRowsMax + 1
    const wanted = search(`{"n":${n}}`, "", { order, partial: true })
    const pages = await runtime.runPromise(walk(order, (more) => entities({ ...wanted, ...more }), [10]))
    assert.deepStrictEqual(
      pages.map(({ hits }) => hits.length),
      [0, 1]
    )
  }
)

test("the keys and versions that a filter asks for are looked at alone", async () => {
  assert.deepStrictEqual(await keys(search('{".key":{"$gt":"0099999"},"n":{"$gt":0}}')), [100_000, 100_001])
  assert.deepStrictEqual(await keys(search('{".key":{"$prefix":"010"}}')), [100_000, 100_001])
  assert.deepStrictEqual(await keys(search('{".key":{"$in":["0077777","none"]},".version":1}')), [77_777])
  assert.deepStrictEqual(await keys(search('{".key":{"$gte":"0000007","$lt":"0000009"}}', ".version")), [7, 8])
})

test("the events of one entity are found, however many others there are", async () => {
  const commits = Array.from({ length: 3 }, (_, i) => ({ ...eventAt(77_777), position: BigInt(scanRowsMax + 2 + i) }))
  const events = commits.map((event, i) => ({
    ...event,
    time: event.position,
    entity: { ...event.entity, version: BigInt(i + 2), values: { n: 10 - i } }
  }))
  const unit = { domain: "wide", refs: [], keys: [], decide: () => events }
  await runtime.runPromise(EventStore.use((store) => store.commit([unit])))
  const versions = async (query: string, sort: string, isReverse: boolean, more: Partial<EventSearch> = {}) => {
    const [parsed, order] = [parseQuery(query, "event"), parseSort(sort, isReverse, "event")]
    if (!parsed.ok || !order.ok) throw new Error("the search is wrong")
    const wanted = { domain: "wide", type: "row", query: parsed.query, order: order.order, limit: 10, offset: 0 }
    const search = EventStore.use((store) => store.events({ ...wanted, min: 0n, max: 0n, ...more }))
    return itemsOf(await runtime.runPromise(search)).map(({ entity }) => Number(entity.version))
  }
  const ofKey = '{"entity.key":"0077777"}'
  assert.deepStrictEqual(await versions(ofKey, "", false), [1, 2, 3, 4])
  assert.deepStrictEqual(await versions(ofKey, "", true, { limit: 2, offset: 1 }), [3, 2])
  assert.deepStrictEqual(await versions(ofKey, "entity.values.n", false), [4, 3, 2, 1])
  assert.deepStrictEqual(await versions(ofKey, "", false, { min: 77_777n, max: BigInt(scanRowsMax + 4) }), [2, 3])
  assert.deepStrictEqual(await versions('{"entity.key":"0077777","entity.values.n":{"$lt":10}}', "", false), [3, 4])
  assert.deepStrictEqual(await versions('{"entity.key":{"$in":["none"]}}', "time", false), [])
})

test("a search that takes long holds up nobody, and ends when its caller leaves", async () => {
  const conditions = Array.from({ length: 200 }, (_, i) => ({ "tags.a": { $gt: 10_000_000 + i } }))
  const slow = runtime.runFork(entities(search(JSON.stringify({ $or: conditions }))))
  const ref = { domain: "wide", type: "row", key: "0000001" }
  for (let i = 0; i < 20; i++) {
    await new Promise((resolve) => setImmediate(resolve))
    assert.isDefined(await runtime.runPromise(EventStore.use((store) => store.state(ref))))
  }
  assert.isUndefined(slow.pollUnsafe(), "it still looks")
  const exit = await Effect.runPromise(Effect.andThen(Fiber.interrupt(slow), Fiber.await(slow)))
  assert.isTrue(Exit.isFailure(exit))
})
