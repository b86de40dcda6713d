import fc from "fast-check"
import { assert, describe, expect, it, test } from "vitest"
import { keyRangeOf, positionRangeOf } from "../../../application/storage/range.ts"
import type { Entity } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { compareText, evaluate } from "../../../domain/query.ts"
import { searchOf, type Wanted } from "../../contract/event-store/searching.ts"
import { searches } from "../../support/searches.ts"

// Ranges are what stores look through: nothing that passes may lie outside of them.

const keyIsIn = (key: string, wanted: Wanted): boolean => {
  const { from, to } = keyRangeOf(searchOf("d", "t", "entity", wanted))
  const isAbove = from === undefined || compareText(key, from.key) > (from.isIncluded ? -1 : 0)
  return isAbove && (to === undefined || compareText(key, to.key) < (to.isIncluded ? 1 : 0))
}

const positionIsIn = (position: bigint, wanted: Wanted): boolean => {
  const { from, to } = positionRangeOf(searchOf("d", "t", "event", wanted))
  assert.isTrue(from >= 0n && to < 2n ** 63n, "it fits into 64 bits")
  return from <= position && position <= to
}

test("everything that passes is in the range, and not everything else", () => {
  let spared = 0
  fc.assert(
    fc.property(searches("entity"), ({ subjects, filters }) => {
      for (const filter of filters) {
        const { query } = searchOf("d", "t", "entity", { filter })
        for (const one of subjects as ReadonlyArray<Entity>) {
          const isIn = keyIsIn(one.key, { filter })
          if (evaluate(query, one)) assert.isTrue(isIn, `${filter} ${one.key}`)
          else if (!isIn) spared++
        }
      }
    }),
    { numRuns: 2_000 }
  )
  assert.isAbove(spared, 100)
})

test("everything that passes is at a position in the range, and not everything else", () => {
  let spared = 0
  fc.assert(
    fc.property(searches("event"), ({ subjects, filters }) => {
      for (const filter of filters) {
        const { query } = searchOf("d", "t", "event", { filter })
        for (const one of subjects as ReadonlyArray<Event>) {
          const isIn = positionIsIn(one.position, { filter })
          if (evaluate(query, one)) assert.isTrue(isIn, `${filter} ${one.position}`)
          else if (!isIn) spared++
        }
      }
    }),
    { numRuns: 2_000 }
  )
  assert.isAbove(spared, 100)
})

describe("the range of keys", () => {
  it.each<[filter: string, inside: ReadonlyArray<string>, outside: ReadonlyArray<string>]>([
    ['{".key":{"$gt":"b"}}', ["b!", "c"], ["b", "a"]],
    ['{".key":{"$gte":"b","$lt":"d"}}', ["b", "czz"], ["a", "d"]],
    ['{".key":{"$lte":"b"},"$and":[{".key":{"$gt":"a"}}]}', ["b", "a0"], ["a", "b0"]],
    ['{".key":{"$gte":"b","$gt":"b"}}', ["b0"], ["b"]],
    ['{".key":"b","x":1}', ["b"], ["a", "c"]],
    ['{".key":{"$in":["d","b"]}}', ["b", "c", "d"], ["a", "e"]],
    ['{".key":{"$prefix":"ab"}}', ["ab", "ab\u{10ffff}"], ["aa", "ac", "b"]],
    ['{".key":{"$prefix":"a\u{10ffff}"}}', ["a\u{10ffff}"], ["b"]],
    ['{".key":{"$prefix":"\ud7ff"}}', ["\ud7ff\ud7ff"], ["\ue000"]],
    ['{"$not":{".key":"b"}}', ["a", "b", "c"], []],
    ['{"$or":[{".key":"b"},{"x":1}]}', ["a", "b", "c"], []],
    ['{"key":"b"}', ["a", "b", "c"], []]
  ])("of %s", (filter, inside, outside) => {
    for (const key of inside) expect([key, keyIsIn(key, { filter })]).toEqual([key, true])
    for (const key of outside) expect([key, keyIsIn(key, { filter })]).toEqual([key, false])
  })

  it("begins behind the place that a page begins behind, in the order by key alone", () => {
    const after = { value: undefined, tie: "b" }
    const isIn = (wanted: Wanted) => ["a", "b", "c"].filter((key) => keyIsIn(key, { after, ...wanted }))
    expect(isIn({})).toEqual(["c"])
    expect(isIn({ reverse: true })).toEqual(["a"])
    expect(isIn({ filter: '{".key":{"$lt":"c"}}' })).toEqual([])
    expect(isIn({ sort: "n" })).toEqual(["a", "b", "c"])
  })
})

describe("the range of positions", () => {
  it("begins behind the place that a page begins behind, in the order by position alone", () => {
    const after = { value: undefined, tie: 5n }
    const isIn = (wanted: Wanted) => [4n, 5n, 6n, 7n].filter((position) => positionIsIn(position, { after, ...wanted }))
    expect(isIn({})).toEqual([6n, 7n])
    expect(isIn({ reverse: true })).toEqual([4n])
    expect(isIn({ filter: '{"position":{"$lte":6}}' })).toEqual([6n])
    expect(isIn({ filter: '{"position":{"$in":[7,4]}}', reverse: true })).toEqual([4n])
    expect(isIn({ sort: "time" })).toEqual([4n, 5n, 6n, 7n])
    expect(isIn({ after: { value: undefined, tie: 2n ** 63n - 1n } })).toEqual([])
    expect(isIn({ filter: `{"position":{"$gt":${2n ** 70n}}}` })).toEqual([])
  })
})
