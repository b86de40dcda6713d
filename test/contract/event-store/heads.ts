// Where the logs stand: heads by name, and which of them moved.

import { Effect } from "effect"
import { assert } from "vitest"
import { EventStore } from "../../../application/ports/EventStore.ts"
import type { Head } from "../../../domain/batch.ts"
import { matches } from "../../../domain/glob.ts"
import { compareText } from "../../../domain/query.ts"
import { fresh, type Law, same } from "../law.ts"
import { globOf } from "./searching.ts"
import { append, batchOf, commit, commitAll, commitBatches, job, refIn, set } from "./writing.ts"

// Each is here because an index, a LIKE or a collation gets it wrong.
const endings = [
  "",
  ".a",
  ".A",
  ".b",
  ".a.b",
  ".%",
  "._",
  ".é",
  ".e\u0301",
  ".\uffff",
  ".𝄞",
  ".'",
  '."',
  ".\\",
  ".*",
  ".]"
]

const byGlob: Law<EventStore> = {
  name: "heads are those of the domains that match, by name, up to the limit",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const start = fresh("heads")
    const domains = endings.map((ending) => `${start}${ending}`).sort(compareText)
    yield* commitAll(domains.map((domain) => [domain, [job(refIn(domain, "a"), set({}))]]))
    const unique = start.slice(6)
    const rests = [
      "*",
      ".*",
      ".?",
      ".[a-b]",
      ".[A-Z]*",
      ".a*",
      "*b",
      ".%",
      "._",
      ".\\*",
      ".\\\\",
      ".é",
      ".é*",
      ".?*",
      ".𝄞",
      ""
    ]
    for (const text of [
      ...rests.map((rest) => `${start}${rest}`),
      `*${unique}.a`,
      `?eads-${unique}.?`,
      `${start}nothing*`
    ]) {
      const glob = globOf(text)
      const expected = domains.filter((domain) => matches(glob, domain))
      for (const limit of [1, 3, 1000]) {
        const heads = yield* store.heads(glob, limit)
        same(
          heads.map(({ domain }) => domain),
          expected.slice(0, limit),
          `heads for ${text}, at most ${limit}`
        )
      }
    }
  })
}

const identity: Law<EventStore> = {
  name: "a head tells position, time and event id, under an incarnation that never changes",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const domains = [fresh("head"), fresh("head")]
    const incarnations = new Map<string, string>()
    for (let n = 0; n < 3; n++) {
      for (const domain of domains) {
        const { head, events } = yield* commit(domain, [
          job(refIn(domain, "a"), set({ n })),
          job(refIn(domain, "b"), set({}))
        ])
        const [found] = yield* store.heads(globOf(domain), 1)
        same(found, head, "the head that the commit answered")
        const { incarnation, ...rest } = found!
        const last = events.at(-1)!
        same(rest, { domain, position: last.position, time: last.time, eventId: last.id }, "the head")
        assert.match(incarnation, /^[0-9a-f]{16}$/)
        assert.strictEqual(incarnation, incarnations.get(domain) ?? incarnation, "the incarnation stays")
        incarnations.set(domain, incarnation)
      }
    }
    assert.strictEqual(new Set(incarnations.values()).size, 2, "no two domains share an incarnation")
  })
}

const elsewhere: Law<EventStore> = {
  name: "a log that comes from elsewhere keeps its identity, and one that is there is given no other",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const [moved, there] = [fresh("elsewhere"), fresh("elsewhere")]
    const { head: before } = yield* commit(there, [job(refIn(there, "a"), set({}))])
    const incarnation = "0123456789abcdef"
    for (const [domain, expected] of [
      [moved, incarnation],
      [there, before.incarnation]
    ] as const) {
      const { batch } = batchOf(domain, [job(refIn(domain, "a"), set({}))])
      const [head] = yield* commitBatches([{ ...batch, incarnation }])
      assert.strictEqual(head?.incarnation, expected)
      assert.strictEqual((yield* store.heads(globOf(domain), 1))[0]?.incarnation, expected)
    }
  })
}

export const newestOf = (heads: ReadonlyArray<Head>, domain: string): Head | undefined =>
  heads.filter((head) => head.domain === domain).sort((a, b) => Number(b.position - a.position))[0]

const moved: Law<EventStore> = {
  name: "movedSince misses no domain that moved after its token",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const domains = Array.from({ length: 5 }, () => fresh("moved"))
    yield* append(fresh("moved"), [{ key: "a" }])
    const start = yield* store.movedSince(undefined)
    same(start.heads, [], "without a token there are no heads")
    // One token is followed from answer to answer, as pollers do; the first one must show everything, always.
    let { changeToken } = start
    const last = new Map<string, Head>()
    const rounds = [[0], [1, 2], [0], [3, 0, 1], [2], [], [4, 3, 2, 1, 0]]
    for (const [n, round] of rounds.entries()) {
      const parts = round.map((i) => [domains[i]!, [job(refIn(domains[i]!, "a"), set({ n }))]] as const)
      for (const { head } of yield* commitAll(parts)) last.set(head.domain, head)
      const since = yield* store.movedSince(changeToken)
      for (const [domain] of parts) same(newestOf(since.heads, domain), last.get(domain), "a head that moved")
      changeToken = since.changeToken
      const all = yield* store.movedSince(start.changeToken)
      for (const [domain, head] of last) same(newestOf(all.heads, domain), head, "a head that moved since the start")
    }
  })
}

const movedOneByOne: Law<EventStore> = {
  name: "a token that is taken between two commits shows the second",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const [first, second] = [fresh("moved"), fresh("moved")]
    for (let n = 0; n < 10; n++) {
      yield* append(first, [{ key: "a" }])
      const { changeToken } = yield* store.movedSince(undefined)
      const { head } = yield* commit(second, [job(refIn(second, "a"), set({ n }))])
      same(newestOf((yield* store.movedSince(changeToken)).heads, second), head, "the head that moved")
      same(newestOf((yield* store.movedSince(changeToken)).heads, second), head, "the same token again")
    }
  })
}

export const heads = [byGlob, identity, elsewhere, moved, movedOneByOne]
