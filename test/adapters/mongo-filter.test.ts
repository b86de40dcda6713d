import fc from "fast-check"
import { assert, describe, test } from "vitest"
import { type Condition, candidates } from "../../adapters/storage/mongo/filter.ts"
import { entityRow, eventRow } from "../../adapters/storage/mongo/rows.ts"
import { indexTermsMax } from "../../application/limits.ts"
import { anyTerm, termsOf } from "../../application/storage/index-terms.ts"
import type { Entity } from "../../domain/entity.ts"
import type { Event } from "../../domain/event.ts"
import { evaluate, type Subject } from "../../domain/query.ts"
import { queryOf } from "../contract/event-store/searching.ts"
import { searches } from "../support/searches.ts"

// What the server is asked must find everything that passes: what it finds besides is looked at again, but what it does
// not find nobody misses.

type Row = Readonly<Record<string, unknown>>

/** What a server does with these conditions, and with nothing else. */
const fulfils = (row: Row, condition: Condition): boolean => {
  const [[operator, of], ...more] = Object.entries(condition) as [[string, unknown]]
  assert.deepStrictEqual(more, [])
  if (operator === "$and") return (of as ReadonlyArray<Condition>).every((part) => fulfils(row, part))
  if (operator === "$or") return (of as ReadonlyArray<Condition>).some((part) => fulfils(row, part))
  assert.include(["terms", "id", "position", "time", "method", "key", "version"], operator)
  assert.deepStrictEqual(Object.keys(of as object), ["$in"])
  const { $in } = of as { readonly $in: ReadonlyArray<unknown> }
  return [row[operator]].flat().some((value) => $in.includes(value))
}

const rowOf = (subject: Entity | Event): Row =>
  ("entity" in subject ? eventRow(subject) : entityRow({ ...subject, deleted: false })) as unknown as Row

describe.each<Subject>(["entity", "event"])("%s searches", (subject) => {
  test("ask the server for everything that passes", () => {
    let asked = 0
    let spared = 0
    const check = fc.property(searches(subject), ({ subjects, filters }) => {
      for (const filter of filters) {
        const query = queryOf(filter, subject)
        const condition = candidates(query, subject)
        if (condition === undefined) continue
        asked++
        for (const one of subjects) {
          const found = fulfils(rowOf(one), condition)
          if (evaluate(query, one)) assert.isTrue(found, filter)
          else if (!found) spared++
        }
      }
    })
    fc.assert(check, { numRuns: 1000 })
    assert.isAbove(asked, 100, "the server is asked something")
    assert.isAbove(spared, asked, "and need not find everything")
  })
})

test("the server is asked nothing that it cannot tell", () => {
  const [entity, event] = [
    (text: string) => candidates(queryOf(text, "entity"), "entity"),
    (text: string) => candidates(queryOf(text, "event"), "event")
  ]
  for (const filter of [
    '{"a":{"$gt":1}}',
    '{"a":{"$ne":1}}',
    '{"$or":[{"a":1},{"a":{"$gt":1}}]}',
    '{"a":{"$exists":true}}'
  ])
    assert.isUndefined(entity(filter), filter)
  for (const filter of ['{"entity.values.a":1}', '{"claims.sub":"me"}', '{"request_id":"once"}', '{"entity.type":"x"}'])
    assert.isUndefined(event(filter), filter)
  // A column holds no such integer; the server would refuse it.
  assert.deepStrictEqual(event(`{"position":{"$in":[1,${2n ** 64n}]}}`), { position: { $in: [1n] } })
})

test("an entity has as many terms as an index holds, and one that has more is found by any", () => {
  const wide = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, n]))
  assert.strictEqual(termsOf(wide(indexTermsMax)).length, indexTermsMax)
  assert.notInclude(termsOf(wide(indexTermsMax)), anyTerm)
  for (const values of [wide(indexTermsMax + 1), wide(10_000), { list: Array.from({ length: 10_000 }, (_, n) => n) }]) {
    assert.strictEqual(termsOf(values).length, indexTermsMax + 1)
    assert.include(termsOf(values), anyTerm)
  }
  const row = { terms: termsOf(wide(10_000)) }
  assert.isTrue(fulfils(row, candidates(queryOf('{"k9999":9999}', "entity"), "entity")!))
})
