import { Effect, Exit, Fiber } from "effect"
import fc from "fast-check"
import { assert, test } from "vitest"
import { pageBytesMax, scanRowsMax, sortTextCharsMax } from "../../../application/limits.ts"
import type { Search } from "../../../application/ports/EventStore.ts"
import { type Candidates, scan } from "../../../application/storage/scan.ts"
import type { Entity } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import type { JsonObject } from "../../../domain/json.ts"
import { compareBy, type SortKey, type Subject } from "../../../domain/query.ts"
import { itemsOf, meant, orderOf, queryOf, type Wanted } from "../../contract/event-store/searching.ts"
import { same } from "../../contract/law.ts"
import { searches } from "../../support/searches.ts"

const searchOf = (subject: Subject, wanted: Wanted): Search => ({
  domain: "shop",
  type: "thing",
  query: queryOf(wanted.filter ?? "", subject),
  order: orderOf(wanted.sort ?? "", wanted.reverse ?? false, subject),
  limit: wanted.limit ?? 1000,
  offset: wanted.offset ?? 0
})

const tieOf = (subject: Entity | Event): SortKey["tie"] => ("entity" in subject ? subject.position : subject.key)

/** Rows as a store has them: by key or position, some at a time. */
const rowsOf = <A extends Entity | Event>(subjects: ReadonlyArray<A>, size: number): Candidates<A, A> => {
  const left = [...subjects]
  return {
    next: Effect.sync(() => left.splice(0, size)),
    subjectOf: (row) => row,
    again: (ties) => Effect.succeed(subjects.filter((row) => ties.includes(tieOf(row))).reverse())
  }
}

const paged = (subject: Subject) =>
  fc.record({
    search: searches(subject),
    limit: fc.integer({ min: 1, max: 4 }),
    offset: fc.nat({ max: 3 }),
    size: fc.integer({ min: 1, max: 4 })
  })

test.each<Subject>(["entity", "event"])("finds what the definition finds, page by page: %s", async (subject) => {
  await fc.assert(
    fc.asyncProperty(paged(subject), async ({ search: { subjects, filters, field, reverse }, limit, offset, size }) => {
      const natural = [...subjects].sort(compareBy(orderOf("", reverse, subject)))
      for (const filter of ["", ...filters]) {
        for (const sort of ["", field]) {
          const wanted = { filter, sort, reverse, limit, offset }
          const found = await Effect.runPromise(scan(searchOf(subject, wanted), rowsOf(natural, size)))
          same(itemsOf(found), meant(subjects, subject, wanted), JSON.stringify(wanted))
        }
      }
    }),
    { numRuns: 200 }
  )
})

const entity = (n: number, values: JsonObject = { n }): Entity => ({
  domain: "shop",
  type: "thing",
  key: String(n).padStart(7, "0"),
  values,
  version: 1n
})

/** As many rows as are asked for, made when they are. */
const many = (count: number, values?: (n: number) => JsonObject): Candidates<number, Entity> => {
  let at = 0
  const rows = () => Array.from({ length: Math.min(1000, count - at) }, () => at++)
  return {
    next: Effect.sync(rows),
    subjectOf: (n) => entity(n, values?.(n)),
    again: (keys) => Effect.succeed(keys.map(Number))
  }
}

const outcome = async (wanted: Wanted, rows: Candidates<number, Entity>) => {
  const exit = await Effect.runPromiseExit(scan(searchOf("entity", wanted), rows))
  if (Exit.isFailure(exit)) return String(exit.cause)
  return itemsOf(exit.value).map(({ key }) => Number(key))
}

test("a page that is found early is served, however many rows there are", async () => {
  const endless = () => many(Number.POSITIVE_INFINITY)
  assert.deepStrictEqual(await outcome({ filter: '{"n":{"$gt":5000}}', limit: 2 }, endless()), [5001, 5002])
  assert.deepStrictEqual(await outcome({ limit: 2, offset: 9000 }, endless()), [9000, 9001])
})

test("what would look at too many rows says so, and what looks at just as many as it may does not", async () => {
  for (const wanted of [{ filter: '{"n":-1}' }, { sort: "n", limit: 1 }]) {
    assert.include(String(await outcome(wanted, many(scanRowsMax + 1))), "TooLarge")
    assert.notInclude(String(await outcome(wanted, many(scanRowsMax))), "TooLarge")
  }
})

test("tells where the next page begins, and looks at one row more to know whether there is one", async () => {
  const page = async (wanted: Wanted, count: number) => {
    const { hits, last } = await Effect.runPromise(scan(searchOf("entity", wanted), many(count)))
    return [hits.length, last?.key.tie]
  }
  assert.deepStrictEqual(await page({ limit: 3 }, 5), [3, entity(2).key])
  assert.deepStrictEqual(await page({ limit: 5 }, 5), [5, undefined])
  assert.deepStrictEqual(await page({ limit: 3, sort: "n", reverse: true }, 5), [3, entity(2).key])
  assert.deepStrictEqual(await page({ limit: 5, sort: "n" }, 5), [5, undefined])
  const none = { filter: '{"n":-1}' }
  const ended = await Effect.runPromise(
    scan({ ...searchOf("entity", none), partial: true }, many(Number.POSITIVE_INFINITY))
  )
  assert.deepStrictEqual([ended.hits, ended.last?.key.tie], [[], entity(scanRowsMax - 1).key])
})

test("a sort holds no more text than it may", async () => {
  const text = "x".repeat(sortTextCharsMax / 64)
  assert.include(
    String(
      await outcome(
        { sort: "text" },
        many(65, () => ({ text }))
      )
    ),
    "TooLarge"
  )
  assert.deepStrictEqual(
    await outcome(
      { sort: "text", limit: 1 },
      many(64, () => ({ text }))
    ),
    [0]
  )
})

test("a page that is too large is refused before its rows are fetched", async () => {
  const rows = () => many(5, (n) => ({ n, text: "x".repeat(pageBytesMax / 4) }))
  for (const sort of ["", "n"]) {
    const again = () => Effect.die("fetched")
    assert.include(String(await outcome({ sort }, { ...rows(), again })), "TooLarge")
    assert.deepStrictEqual(await outcome({ sort, limit: 2, offset: 1 }, rows()), [1, 2])
  }
})

test("what went away while a sort was made is left out", async () => {
  const rows = { ...many(5), again: (keys: ReadonlyArray<SortKey["tie"]>) => Effect.succeed(keys.slice(1).map(Number)) }
  assert.deepStrictEqual(await outcome({ sort: "n", limit: 3 }, rows), [1, 2])
})

test("a search that takes long lets others go on, and ends when its caller leaves", async () => {
  let looked = 0
  const slow: Candidates<number, Entity> = {
    next: Effect.succeed(Array.from({ length: 50_000 }, (_, n) => n)),
    subjectOf: (n) => {
      looked++
      const until = performance.now() + 1
      while (performance.now() < until);
      return entity(n)
    },
    again: () => Effect.succeed([])
  }
  const fiber = Effect.runFork(scan(searchOf("entity", { filter: '{"n":-1}' }), slow))
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.isAbove(looked, 0)
  assert.isUndefined(fiber.pollUnsafe(), "it still looks")
  const exit = await Effect.runPromise(Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber)))
  assert.isTrue(Exit.isFailure(exit))
  const at = looked
  await new Promise((resolve) => setImmediate(resolve))
  assert.strictEqual(looked, at, "nobody looks any more")
})
