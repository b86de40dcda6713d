// The path of a database that is served names another file, or none.

import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { Effect } from "effect"
import { assert, describe, test, vi } from "vitest"
import { Connection } from "../../adapters/storage/sqlite/connection.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import { range } from "../application/samples.ts"
import { answerTo, cleanUp, filesIn, folder, keysInLog, keysOnDisk, set, succeed } from "./sqlite-world.ts"

const unavailable = /^Unavailable: the path of the database names another file/

const before = Effect.forEach(["k1", "k2", "k3"], (key) => set(key), { discard: true })
const isReady = Effect.flatMap(EventStore, (store) => Effect.result(store.movedSince(undefined)))
const stateOf = (key: string) =>
  Effect.flatMap(EventStore, (store) => Effect.result(store.state({ domain: "d", type: "t", key })))

/** Nothing is acknowledged, and nothing that was there is said to be missing. */
const isRefused = Effect.gen(function* () {
  for (const key of ["k4", "k5"]) assert.match(yield* answerTo(key), unavailable)
  const ready = yield* isReady
  assert.strictEqual(ready._tag, "Failure")
  const state = yield* stateOf("k1")
  assert.isFalse(state._tag === "Success" && state.success === undefined, "what was there is not missing")
})

const goesOn = Effect.gen(function* () {
  assert.strictEqual((yield* isReady)._tag, "Success")
  assert.strictEqual(yield* answerTo("k6"), "done")
  assert.deepStrictEqual(yield* keysInLog(), ["k1", "k2", "k3", "k6"])
})

test("a file that is moved away is not made anew, and is gone on with when it is back", async () => {
  const place = folder()
  const path = `${place}/data/x.db`
  await succeed(
    { path },
    Effect.gen(function* () {
      yield* before
      renameSync(path, `${place}/elsewhere.db`)
      const files = filesIn(`${place}/data`)
      yield* isRefused
      assert.deepStrictEqual(filesIn(`${place}/data`), files)
      renameSync(`${place}/elsewhere.db`, path)
      yield* goesOn
    })
  )
  assert.deepStrictEqual(await keysOnDisk(path), ["k1", "k2", "k3", "k6"])
})

test("a file that another one replaces is not written to any more, nor is the other one", async () => {
  const place = folder()
  const path = `${place}/x.db`
  await succeed(
    { path },
    Effect.gen(function* () {
      yield* set("k1")
      copyFileSync(path, `${place}/older.db`)
      yield* set("k2")
      yield* set("k3")
      renameSync(path, `${place}/elsewhere.db`)
      renameSync(`${place}/older.db`, path)
      yield* isRefused
      renameSync(path, `${place}/older.db`)
      renameSync(`${place}/elsewhere.db`, path)
      yield* goesOn
    })
  )
})

test("a folder that is removed with all that is in it is not made anew", async () => {
  const place = folder()
  const path = `${place}/data/x.db`
  await succeed(
    { path },
    Effect.gen(function* () {
      yield* before
      rmSync(`${place}/data`, { recursive: true })
      yield* isRefused
      assert.deepStrictEqual(filesIn(place), [])
      // Whoever makes one in its place has made another one.
      mkdirSync(`${place}/data`)
      new DatabaseSync(path).close()
      yield* isRefused
    })
  )
})

test("a change that was on its way when the file moved is not acknowledged, and there when it is back", async () => {
  const place = folder()
  const path = `${place}/x.db`
  const thread = new URL("./sqlite-thread.ts", import.meta.url)
  await succeed(
    { path, thread },
    Effect.gen(function* () {
      assert.match(yield* answerTo("moves"), /^OutcomeUnknown/)
      assert.match(yield* answerTo("k2"), unavailable)
      renameSync(`${path}-moved`, path)
      assert.deepStrictEqual(yield* keysInLog(), ["moves"])
      assert.strictEqual(yield* answerTo("k2"), "done")
    })
  )
})

describe("what SQLite keeps beside the database", () => {
  const troubles: Readonly<Record<string, (path: string) => void>> = {
    "its log is removed": (path) => rmSync(`${path}-wal`),
    "its log is replaced": (path) => {
      writeFileSync(`${path}-other`, Buffer.alloc(10_000, 7))
      renameSync(`${path}-other`, `${path}-wal`)
    },
    "the index of its log is removed": (path) => rmSync(`${path}-shm`),
    "both are removed": (path) => {
      rmSync(`${path}-wal`)
      rmSync(`${path}-shm`)
    }
  }
  for (const [what, harm] of Object.entries(troubles)) {
    test(`${what}: what was acknowledged is on the disk, and so is what follows`, async () => {
      const path = `${folder()}/x.db`
      await succeed(
        { path },
        Effect.gen(function* () {
          yield* before
          harm(path)
          assert.strictEqual(yield* answerTo("k4"), "done")
          assert.deepStrictEqual(yield* keysInLog(), ["k1", "k2", "k3", "k4"])
          assert.deepStrictEqual(yield* Effect.promise(() => keysOnDisk(path)), ["k1", "k2", "k3", "k4"])
          harm(path)
          // A reader finds out as well.
          yield* Effect.sleep(150)
          assert.strictEqual((yield* isReady)._tag, "Success")
          assert.deepStrictEqual(yield* Effect.promise(() => keysOnDisk(path)), ["k1", "k2", "k3", "k4"])
        })
      )
    })
  }

  test("its log is removed while many read: the files are opened anew once, for all of them", async () => {
    const path = `${folder()}/x.db`
    const release = vi.spyOn(Connection.prototype, "release")
    cleanUp(() => release.mockRestore())
    await succeed(
      { path },
      Effect.gen(function* () {
        yield* before
        rmSync(`${path}-wal`)
        yield* Effect.sleep(150)
        const states = yield* Effect.forEach(range(20), () => stateOf("k1"), { concurrency: "unbounded" })
        for (const state of states) assert.isTrue(state._tag === "Success" && state.success !== undefined)
        assert.strictEqual(release.mock.calls.length, 1)
      })
    )
  })

  test("its log is removed while another program reads: nothing is acknowledged until that has ended", async () => {
    const path = `${folder()}/x.db`
    await succeed(
      { path },
      Effect.gen(function* () {
        yield* before
        const other = new DatabaseSync(path)
        other.prepare("SELECT count(*) FROM events").get()
        rmSync(`${path}-wal`)
        assert.match(yield* answerTo("k4"), /^Unavailable: the -wal or -shm file/)
        assert.isFalse(existsSync(`${path}-wal`))
        other.close()
        assert.strictEqual(yield* answerTo("k5"), "done")
        assert.deepStrictEqual(yield* keysInLog(), ["k1", "k2", "k3", "k5"])
      })
    )
    assert.deepStrictEqual(await keysOnDisk(path), ["k1", "k2", "k3", "k5"])
  })
})
