import { Effect, Schedule } from "effect"
import { assert, describe, test } from "vitest"
import { EventStore } from "../../application/ports/EventStore.ts"
import { fresh } from "../contract/law.ts"
import { tried } from "./away.ts"
import { postgresWorld } from "./postgres-world.ts"

// Who follows what moved misses nothing, in whatever order transactions begin and end.

const { server, gateway, intruder } = postgresWorld()

const tokenOfNow = Effect.map(
  EventStore.use((store) => store.movedSince(undefined)),
  ({ changeToken }) => changeToken
)
const movedSince = (changeToken: string) =>
  Effect.map(
    EventStore.use((store) => store.movedSince(changeToken)),
    ({ heads, changeToken: next }) => ({ domains: heads.map(({ domain }) => domain), next })
  )

describe("what moved on PostgreSQL", server.options, () => {
  test("is found although its transaction began long before the changeToken, and is told once", async () => {
    const place = server.fresh()
    const one = gateway(place)
    const [early, late, quiet] = [fresh("early"), fresh("late"), fresh("quiet")]
    for (const domain of [early, late, quiet]) await one.runPromise(tried(domain))
    const slow = await intruder(place)
    await slow.sql`select pg_current_xact_id()`
    // Numbers that are given later, and seen earlier.
    await one.runPromise(tried(late))
    await one.runPromise(tried(early))
    const changeToken = await one.runPromise(tokenOfNow)
    await one.runPromise(tried(late))
    await slow.sql`update domains set moved = pg_current_xact_id() where name = ${early}`
    const before = await one.runPromise(movedSince(changeToken))
    assert.deepStrictEqual(before.domains, [late])
    await slow.end("commit")
    assert.sameMembers((await one.runPromise(movedSince(changeToken))).domains, [early, late])
    const after = await one.runPromise(movedSince(before.next))
    assert.deepStrictEqual(after.domains, [early])
    assert.deepStrictEqual((await one.runPromise(movedSince(after.next))).domains, [])
  })

  test("is everything, after a crash: numbers of transactions may come again", server.faults, async () => {
    const place = server.fresh()
    const one = gateway(place)
    const domains = [fresh("a"), fresh("b")]
    for (const domain of domains) await one.runPromise(tried(domain))
    const changeToken = await one.runPromise(tokenOfNow)
    assert.deepStrictEqual((await one.runPromise(movedSince(changeToken))).domains, [])
    const victim = await intruder(place)
    const [session] = await victim.sql<Array<{ readonly pid: number }>>`select pg_backend_pid() as pid`
    // The server ends all sessions when one of them dies so, and starts anew within the same process.
    process.kill(session!.pid, "SIGKILL")
    // As long as it has not noticed, nothing has moved.
    const everything = Effect.repeat(Effect.retry(movedSince(changeToken), Schedule.spaced(50)), {
      until: (found) => found.domains.length > 0
    })
    const found = await one.runPromise(everything)
    assert.sameMembers(found.domains, domains)
    assert.deepStrictEqual((await one.runPromise(movedSince(found.next))).domains, [])
  })
})
