import { Effect, Result } from "effect"
import { assert, describe, test } from "vitest"
import { open } from "../../adapters/storage/postgres/connection.ts"
import { arrayText } from "../../adapters/storage/postgres/filter.ts"
import * as statements from "../../adapters/storage/postgres/statements.ts"
import { transactionIdleMsMax } from "../../application/limits.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import { append, draftBatch, logOf } from "../contract/event-store/writing.ts"
import { fresh, same } from "../contract/law.ts"
import { tried } from "./away.ts"
import { outcomesOf, postgresWorld } from "./postgres-world.ts"

// Who waits for whom in a commit, who is to blame for one that fails, and what keeps others out meanwhile.

const { server, gateway, stranger, intruder, connection } = postgresWorld()

const unitIn = (domain: string) => draftBatch(domain, [{ key: "a" }]).batch

/** A gateway, and three domains of which somebody else holds the middle one until they let go. */
const withHeld = async () => {
  const place = server.fresh()
  const one = gateway(place)
  const domains = ["a", "b", "c"].map((letter) => fresh(letter)) as [string, string, string]
  for (const domain of domains) await one.runPromise(append(domain, [{ key: "a" }]))
  const holder = await intruder(place)
  await holder.sql`select from domains where name = ${domains[1]} for update`
  const lengths = () =>
    one.runPromise(Effect.forEach(domains, (domain) => Effect.map(logOf(domain), ({ length }) => length)))
  return { one, domains, lengths, isWaitedFor: holder.isWaitedFor, letGo: () => holder.end("rollback") }
}

describe("a commit of several domains on PostgreSQL", server.options, () => {
  test("does those that are free at once, and each of the others when it is its turn", async () => {
    const { one, domains, lengths, isWaitedFor, letGo } = await withHeld()
    const commit = one.runPromise(outcomesOf(domains.map(unitIn)))
    // Whoever waits has done what could be done, and holds nothing.
    await isWaitedFor()
    assert.deepStrictEqual(await lengths(), [2, 1, 2])
    await letGo()
    assert.deepStrictEqual(await commit, ["done", "done", "done"])
    assert.deepStrictEqual(await lengths(), [2, 2, 2])
  })

  test("tells of those that are done while it waits for others", async () => {
    const { one, domains, letGo } = await withHeld()
    const told: Array<readonly [number, boolean]> = []
    const commit = EventStore.use((store) =>
      store.commit(domains.map(unitIn), (i, result) => {
        told.push([i, Result.isSuccess(result)])
        // Nobody else lets go of the one that it waits for.
        if (told.length === 2) void letGo()
      })
    )
    assert.deepStrictEqual((await one.runPromise(commit)).map(Result.isSuccess), [true, true, true])
    assert.deepStrictEqual(told, [
      [0, true],
      [2, true],
      [1, true]
    ])
  })

  test("does not wait for ever for one of them, and tells of that one alone", async () => {
    const { one, domains, lengths, letGo } = await withHeld()
    assert.deepStrictEqual(await one.runPromise(outcomesOf(domains.map(unitIn))), ["done", "Unavailable", "done"])
    await letGo()
    assert.deepStrictEqual(await lengths(), [2, 1, 2])
    assert.deepStrictEqual(await one.runPromise(outcomesOf(domains.map(unitIn))), ["done", "done", "done"])
  })

  test("does not wait for one after the other, either", async () => {
    const place = server.fresh()
    const one = gateway(place)
    const domains = Array.from({ length: 200 }, () => fresh("held"))
    const commit = () => one.runPromise(outcomesOf(domains.map(unitIn)))
    assert.deepStrictEqual([...new Set(await commit())], ["done"])
    const holder = await intruder(place)
    await holder.sql`select from domains for update`
    assert.deepStrictEqual([...new Set(await commit())], ["Unavailable"])
    await holder.end("rollback")
    assert.deepStrictEqual([...new Set(await commit())], ["done"])
    assert.strictEqual((await one.runPromise(logOf(domains[199]!))).length, 2)
  })

  test("fails for the one that cannot be stored, and not for the others", async () => {
    const one = gateway(server.fresh())
    const [first, culprit, last] = [fresh("first"), fresh("culprit"), fresh("last")]
    // No text of PostgreSQL holds it. Names that could not be stored are refused before; this one is not asked.
    for (const draft of [{ key: "a\u0000" }, { key: "a", claims: {}, traceparent: "\u0000" }]) {
      const batches = [unitIn(first), draftBatch(culprit, [{ key: "b" }, draft]).batch, unitIn(last)]
      assert.deepStrictEqual(await one.runPromise(outcomesOf(batches)), ["done", "Defect", "done"])
    }
    assert.deepStrictEqual(await one.runPromise(logOf(culprit)), [])
    for (const domain of [first, last]) assert.strictEqual((await one.runPromise(logOf(domain))).length, 2)
  })
})

describe("a transaction of PostgreSQL", server.options, () => {
  test("that failed counts as failed, although COMMIT is answered", async () => {
    const place = server.fresh()
    const one = gateway(place)
    const domain = fresh("failed")
    const { events: made } = await one.runPromise(tried(domain))
    const sql = stranger(place)
    // In the way of the next commit, so that its writing fails and not its deciding.
    const row = {
      ...(await sql`select * from events where position = 2`)[0],
      position: 3,
      version: 7,
      time: 1,
      id: "x"
    }
    await sql`insert into events ${sql(row)}`
    assert.strictEqual((await one.runPromise(tried(domain))).outcome, "Unavailable")
    await sql`delete from events where id = 'x'`
    same(await one.runPromise(logOf(domain)), made, "nothing of it is stored")
    assert.strictEqual((await one.runPromise(tried(domain))).outcome, "done")
  })

  test("in which a decision takes too long is given up by the server, and done anew", async () => {
    const one = gateway(server.fresh())
    const domain = fresh("slow")
    const { events: made } = await one.runPromise(tried(domain))
    let decisions = 0
    const { batch, made: later } = draftBatch(domain, [{ key: "a" }])
    const slow = {
      ...batch,
      decide: (snapshot: Parameters<typeof batch.decide>[0]) => {
        // As a process does that is halted: it holds up everything else, too.
        if (decisions++ === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, transactionIdleMsMax + 500)
        return batch.decide(snapshot)
      }
    }
    assert.deepStrictEqual(await one.runPromise(outcomesOf([slow])), ["done"])
    assert.strictEqual(decisions, 2)
    same(await one.runPromise(logOf(domain)), [...made, ...later.events], "the log")
  })

  test("of a gateway that is halted in it ends, and lets others go on", async () => {
    const place = server.fresh()
    const one = gateway(place)
    const domain = fresh("halted")
    await one.runPromise(tried(domain))
    const halted = Effect.scoped(
      Effect.gen(function* () {
        const { commits } = yield* open(place)
        return yield* Effect.promise(() =>
          commits.use(async (connection) => {
            await connection.trip([statements.begin], [statements.lockDomains, [arrayText([domain])]])
            assert.strictEqual((await one.runPromise(tried(domain))).outcome, "done")
            return await connection.outcomes(["COMMIT"])
          })
        )
      })
    )
    const [end] = await Effect.runPromise(halted)
    assert.isTrue("error" in end!, "it is told so, when it wakes")
  })

  test("writes in itself alone: neither later nor without it", async () => {
    const place = server.fresh()
    const one = gateway(place)
    const domain = fresh("fenced")
    const { events: made } = await one.runPromise(tried(domain))
    const late = connection(place)
    const lock = [statements.lockDomains, [arrayText([domain])]] as const
    const [, locked] = await late.trip<[object, { id: bigint; transaction: string }]>([statements.begin], lock)
    const { id, transaction } = locked[0]!
    const [event] = made
    const again = statements.columnsOf([
      { ...event!, id: "late", position: 3n, time: 2n ** 62n, entity: { ...event!.entity, version: 7n } }
    ])
    const write = [statements.write, [transaction, ...[[], [id], ...again].map(arrayText)]] as const
    await late.query("ROLLBACK")
    assert.strictEqual((await late.query(...write)).count, 0)
    const [, , wrote] = await late.trip([statements.begin], lock, write)
    assert.strictEqual(wrote!.count, 0)
    await late.query("COMMIT")
    same(await one.runPromise(logOf(domain)), made, "the log")
    assert.strictEqual((await one.runPromise(tried(domain))).outcome, "done")
  })
})
