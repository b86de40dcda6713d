// What must be true after any fault, whatever it was.

import { setTimeout as sleep } from "node:timers/promises"
import { Code, ConnectError, createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { assert } from "vitest"
import { type Entity, EntityService, type Event } from "../../proto/gen/stategate/stategate_pb.js"
import type { Follower } from "./follow.ts"
import { logOf } from "./follow.ts"
import { type Attempt, domains } from "./load.ts"

const tokenOf = (event: Event): string => String(event.entity?.values?.["token"])

/** The log has every acknowledged write, once; no refused one; of the others all or nothing. It has no gaps. */
export const assertLog = (log: ReadonlyArray<Event>, attempts: ReadonlyArray<Attempt>): void => {
  assert.deepStrictEqual(
    log.map(({ position }) => position),
    log.map((_, i) => BigInt(i + 1)),
    "positions have no gap and no repeat"
  )
  for (const [i, event] of log.entries()) {
    if (i > 0) assert.isTrue(event.time > log[i - 1]!.time, `time rises at ${event.position}`)
  }
  const places = Map.groupBy(log, tokenOf)
  const known = new Set(attempts.flatMap(({ tokens }) => tokens))
  assert.deepStrictEqual(
    [...places.keys()].filter((token) => !known.has(token)),
    [],
    "nothing is there that nobody wrote"
  )
  for (const { tokens, outcome } of attempts) {
    const found = tokens.map((token) => places.get(token) ?? [])
    const what = `${tokens[0]}, ${JSON.stringify(outcome, (_, value) => (typeof value === "bigint" ? String(value) : value))}`
    for (const events of found) assert.isAtMost(events.length, 1, `${what}: at most once`)
    const made = found.flat()
    if (outcome._tag === "Refused") assert.lengthOf(made, 0, `${what}: it was said that nothing was stored`)
    if (made.length === 0 && outcome._tag !== "Acked") continue
    assert.lengthOf(made, tokens.length, `${what}: as a whole`)
    const first = made[0]!.position
    assert.deepStrictEqual(
      made.map(({ position }) => position),
      made.map((_, i) => first + BigInt(i)),
      `${what}: side by side`
    )
    if (outcome._tag !== "Acked") continue
    assert.deepStrictEqual([made.at(-1)!.id, made.at(-1)!.position], [outcome.eventId, outcome.position], what)
  }
}

const nameOf = ({ type, key }: Pick<Entity, "type" | "key">): string => `${type}/${key}`
const shown = ({ type, key, version, values }: Entity) => [`${type}/${key}`, version, values]

const patienceMs = 60_000

/** Asks again while the store is said to be away: right after a fault it may be, and that is not what is judged. */
const patiently = async <A>(ask: () => Promise<A>): Promise<A> => {
  for (const deadline = performance.now() + patienceMs; ; await sleep(100)) {
    try {
      return await ask()
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Unavailable || performance.now() > deadline) throw error
    }
  }
}

/** What is stored is what the log makes. */
const assertEntities = async (url: string, domain: string, log: ReadonlyArray<Event>): Promise<void> => {
  const client = createClient(EntityService, createGrpcTransport({ baseUrl: url }))
  const expected = new Map(log.map(({ entity }) => [nameOf(entity!), entity!]))
  const stored: Array<Entity> = []
  for (const type of ["item", "order"]) {
    stored.push(...(await patiently(() => client.search({ domain, type, limit: 1_000 }))).entities)
  }
  const sorted = [...expected.values()].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
  assert.deepStrictEqual(stored.map(shown), sorted.map(shown), "entities are what the log makes of them")
  for (const entity of sorted) {
    const { type, key } = entity
    assert.deepStrictEqual(shown(await patiently(() => client.get({ domain, type, key }))), shown(entity))
  }
}

/** Judges a store by all that its gateways tell. Answers how many events there are. */
export const assertWhole = async (
  urls: ReadonlyArray<string>,
  attempts: ReadonlyArray<Attempt>,
  followers: ReadonlyArray<Follower>
): Promise<number> => {
  let events = 0
  for (const domain of domains) {
    const log = await patiently(() => logOf(urls[0]!, domain))
    events += log.length
    assertLog(
      log,
      attempts.filter((attempt) => attempt.domain === domain)
    )
    const ids = log.map(({ id }) => id)
    for (const follower of followers) {
      await follower.reaches(domain, log.at(-1)?.position ?? 0n)
      assert.deepStrictEqual(
        follower.seen(domain).map(({ id }) => id),
        ids,
        "a stream that came back with its cursor saw each event once"
      )
    }
    for (const follower of followers) assert.deepStrictEqual(follower.rewinds, [], "no stream was told of a rewind")
    for (const url of urls) await assertEntities(url, domain, log)
  }
  return events
}
