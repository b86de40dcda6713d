import { execFileSync } from "node:child_process"
import { mkdirSync, statfsSync, writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { Effect, Exit, Layer } from "effect"
import { afterEach, assert, test } from "vitest"
import * as inmem from "../../adapters/channel/inmem/channel.ts"
import { layer } from "../../adapters/storage/sqlite/store.ts"
import { Committer } from "../../application/committer.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import type { Job } from "../../domain/batch.ts"
import { need } from "../support/need.ts"
import { temporaryFolder } from "../support/process.ts"

// What can be wrong with a file and its disk. An operator reads the messages; no acknowledged write is ever lost.

const cleanups: Array<() => void> = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

const folder = () => {
  const { path, remove } = temporaryFolder()
  cleanups.push(remove)
  return path
}

const job = (key: string, bytes: number): Job => ({
  domain: "disk",
  parts: false,
  claims: {},
  commands: [
    {
      ref: { domain: "disk", type: "row", key },
      change: { _tag: "Set", values: { key, filler: "x".repeat(bytes) } },
      precondition: { _tag: "None" }
    }
  ]
})

type Services = Committer | EventStore
const run = <A, E>(path: string, use: Effect.Effect<A, E, Services>) =>
  Effect.runPromiseExit(
    Effect.provide(use, Layer.provideMerge(Committer.layer, Layer.merge(layer({ path }), inmem.layer)), { local: true })
  )

const messageOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isFailure(exit) ? String(exit.cause) : "it opened"

const nothing = Effect.void as Effect.Effect<void, never, Services>

test("a file that a newer version wrote is refused, and left alone", async () => {
  const path = `${folder()}/newer.db`
  await run(path, nothing)
  const db = new DatabaseSync(path)
  db.exec("PRAGMA user_version = 99")
  db.close()
  assert.include(messageOf(await run(path, nothing)), "was written by a newer version")
  const after = new DatabaseSync(path)
  assert.strictEqual(after.prepare("PRAGMA user_version").get()?.["user_version"], 99)
  after.close()
})

test("another program's database is refused, and left alone", async () => {
  const path = `${folder()}/theirs.db`
  const db = new DatabaseSync(path)
  db.exec("CREATE TABLE theirs (n INTEGER); INSERT INTO theirs VALUES (1)")
  db.close()
  assert.include(messageOf(await run(path, nothing)), "is another program's database")
  const after = new DatabaseSync(path)
  assert.strictEqual(after.prepare("SELECT count(*) AS n FROM theirs").get()?.["n"], 1)
  after.close()
})

test("a file that is no database is refused", async () => {
  const path = `${folder()}/text.db`
  writeFileSync(path, "this is no database, although it is long enough to be looked at as if it were one".repeat(20))
  assert.include(messageOf(await run(path, nothing)), "not a database")
})

test("a file that is in use is refused, in words", async () => {
  const path = `${folder()}/used.db`
  const second = await run(
    path,
    Effect.promise(() => run(path, nothing))
  )
  assert.isTrue(Exit.isSuccess(second))
  if (Exit.isSuccess(second)) assert.include(messageOf(second.value), "is in use by another process")
})

const mount = (() => {
  try {
    const path = folder()
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", path], { stdio: "ignore" })
    execFileSync("umount", [path], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()
const mounting = need("mounting a tmpfs", { enable: "run as root, where mounting is allowed", found: mount })

const tmpfs = (megabytes: number): string => {
  const path = `${folder()}/disk`
  mkdirSync(path)
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", path])
  cleanups.push(() => execFileSync("umount", ["-l", path]))
  return path
}

/** Writes until the store refuses; answers how the refusal reads, and which keys were acknowledged. */
const fill = Effect.fnUntraced(function* (acked: Array<string>) {
  const committer = yield* Committer
  for (let i = 0; i < 100_000; i++) {
    const key = `key-${acked.length}`
    const exit = yield* Effect.exit(committer.submit(job(key, 20_000)))
    if (Exit.isFailure(exit)) return messageOf(exit)
    acked.push(key)
  }
  return "it never refused"
})

const everyAckedIsThere = Effect.fnUntraced(function* (acked: ReadonlyArray<string>) {
  const store = yield* EventStore
  for (const [i, key] of acked.entries()) {
    const state = yield* store.state({ domain: "disk", type: "row", key })
    assert.strictEqual(state?.values["key"], key)
    const events = yield* store.read("disk", BigInt(i), 1)
    assert.strictEqual(events[0]?.entity.key, key)
  }
  const events = yield* store.read("disk", BigInt(acked.length), 1)
  assert.deepStrictEqual(events, [], "what was refused is not there")
})

test("a full disk answers Unavailable, and the gateway recovers when the disk does", mounting.options, async () => {
  const disk = tmpfs(4)
  const path = `${disk}/data/stategate.db`
  const acked: Array<string> = []
  const ballast = `${disk}/ballast`
  writeFileSync(ballast, Buffer.alloc(1024 * 1024))
  const exit = await run(
    path,
    Effect.gen(function* () {
      const committer = yield* Committer
      assert.include(yield* fill(acked), "Unavailable")
      assert.isAbove(acked.length, 10)
      // Still full: still refused, and nothing of it stays behind.
      assert.include(messageOf(yield* Effect.exit(committer.submit(job("refused", 20_000)))), "Unavailable")
      yield* everyAckedIsThere(acked)
      assert.isBelow(statfsSync(disk).bavail * statfsSync(disk).bsize, 1024 * 1024)
      execFileSync("rm", [ballast])
      yield* committer.submit(job(`key-${acked.length}`, 20_000))
      acked.push(`key-${acked.length}`)
      yield* everyAckedIsThere(acked)
    })
  )
  assert.isTrue(Exit.isSuccess(exit), messageOf(exit))
  const reopened = await run(path, everyAckedIsThere(acked))
  assert.isTrue(Exit.isSuccess(reopened), messageOf(reopened))
})

test("a disk that turns read-only answers Unavailable until it is writable again", mounting.options, async () => {
  const disk = tmpfs(4)
  const path = `${disk}/stategate.db`
  const acked: Array<string> = []
  const ballast = `${disk}/ballast`
  writeFileSync(ballast, Buffer.alloc(1024 * 1024))
  const exit = await run(
    path,
    Effect.gen(function* () {
      const committer = yield* Committer
      // A file that is open for writing keeps a disk from being remounted; a failure makes the store let go of it.
      assert.include(yield* fill(acked), "Unavailable")
      execFileSync("rm", [ballast])
      execFileSync("mount", ["-o", "remount,ro", disk])
      assert.include(messageOf(yield* Effect.exit(committer.submit(job("refused", 10)))), "Unavailable")
      assert.include(messageOf(yield* Effect.exit(committer.submit(job("refused", 10)))), "Unavailable")
      execFileSync("mount", ["-o", "remount,rw", disk])
      yield* committer.submit(job(`key-${acked.length}`, 10))
      acked.push(`key-${acked.length}`)
      yield* everyAckedIsThere(acked)
    })
  )
  assert.isTrue(Exit.isSuccess(exit), messageOf(exit))
})
