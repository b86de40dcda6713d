import { assert, describe, test } from "vitest"
import { isStored } from "../../adapters/storage/postgres/commit.ts"
import type { Head } from "../../domain/batch.ts"
import { append, logOf } from "../contract/event-store/writing.ts"
import { fresh, same } from "../contract/law.ts"
import type { Fate } from "../services/proxy.ts"
import { breaksForGood, tried } from "./away.ts"
import { postgresWorld } from "./postgres-world.ts"

// Connections that break in the middle of a commit: whether it was made is found out, and it is made once.

const { server, gateway, intruder, connection, broken } = postgresWorld()

describe("a connection to PostgreSQL that breaks", server.options, () => {
  for (const place of ["BEGIN", "COMMIT\0"]) {
    for (const fate of ["lost", "unanswered"] as const) {
      test.each([
        ["the first of a domain", 0],
        ["a later one", 1]
      ])(`at ${place.replace("\0", "")} (${fate}) of %s costs nothing: the commit is done, once`, async (_, before) => {
        const { proxy, one, other } = await broken()
        const domain = fresh("broken")
        // Something else may have been sent on the connection before.
        await one.runPromise(tried(fresh("another")))
        const first = before === 0 ? [] : (await one.runPromise(tried(domain))).events
        let times = 0
        proxy.fate = (bytes): Fate => (bytes.includes(place) && times++ === 0 ? fate : "passed")
        const { outcome, events } = await one.runPromise(tried(domain))
        assert.strictEqual(outcome, "done")
        assert.isAbove(times, 0, "it broke")
        same(await other.runPromise(logOf(domain)), [...first, ...events], "the log")
      })
    }
  }
})

breaksForGood(server, { broken }, (bytes) => bytes.includes("COMMIT\0"))

describe("a transaction of PostgreSQL that nobody heard of again", server.options, () => {
  for (const isNew of [true, false]) {
    for (const end of ["commit", "rollback"] as const) {
      test(`is waited for (${end}, ${isNew ? "with the domain that it makes" : "in a domain that is there"})`, async () => {
        const place = server.fresh()
        const one = gateway(place)
        const domain = fresh("doubt")
        await one.runPromise(append(isNew ? fresh("other") : domain, [{ key: "a" }]))
        const head: Head = { domain, incarnation: "", position: 2n, time: 7n, eventId: "in doubt" }
        const { sql: other, isWaitedFor, end: over } = await intruder(place)
        if (isNew)
          await other`
            insert into domains (name, incarnation, position, time, event_id, moved)
            values (${domain}, '', 0, 0, '', pg_current_xact_id())`
        await other`select from domains where name = ${domain} for update`
        await other`
          insert into events select id, 2, 'in doubt', 7, '', 't', 'k', 1, '{}', '{}', null, null, null, null, false
          from domains where name = ${domain}`
        let answer: boolean | undefined
        const looked = isStored(connection(place), head).then((found) => {
          answer = found
        })
        await isWaitedFor()
        assert.isUndefined(answer)
        await over(end)
        await looked
        assert.strictEqual(answer, end === "commit")
      })
    }
  }
})
