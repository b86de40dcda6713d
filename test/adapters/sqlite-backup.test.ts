// Copies of a SQLite file, and what lies beside them when they are restored.

import { closeSync, copyFileSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { Effect } from "effect"
import { afterAll, assert, describe, test } from "vitest"
import { copyFile } from "../../adapters/storage/sqlite/backup.ts"
import { Committer } from "../../application/committer.ts"
import { temporaryFolder } from "../support/process.ts"
import { filesIn, folder, keysInLog, opening, set, succeed } from "./sqlite-world.ts"

/** Writes so much that SQLite brings its log into the database, and begins another one. */
const fill = Effect.gen(function* () {
  const committer = yield* Committer
  for (let n = 0; n < 45; n++) {
    const ref = { domain: "filler", type: "t", key: "k" }
    const change = { _tag: "Set", values: { filler: "x".repeat(1_000_000) } } as const
    const commands = [{ ref, change, precondition: { _tag: "None" } as const }]
    yield* committer.submit({ domain: "filler", parts: false, claims: {}, commands })
  }
})

/** The files as they lie there when the process is killed. */
const killed = (path: string, to: string): void => {
  copyFileSync(path, to)
  copyFileSync(`${path}-wal`, `${to}-wal`)
}

/** A gateway that was killed, and copies of its file from earlier. */
let made: Promise<(name: string) => string> | undefined
const all = temporaryFolder()
afterAll(all.remove)
const history = () => {
  made ??= makeHistory(all.path)
  return made
}
const makeHistory = async (place: string) => {
  const path = `${place}/x.db`
  const at = (name: string) => `${place}/${name}.db`
  await succeed(
    { path },
    Effect.gen(function* () {
      yield* set("k1")
      yield* Effect.promise(() => copyFile(path, at("early")))
      yield* fill
      yield* set("k2")
      yield* Effect.promise(() => copyFile(path, at("late")))
      const other = new DatabaseSync(path)
      // As the copy of a file that was itself restored: both tell of as many changes of the schema.
      copyFileSync(at("early"), at("early-again"))
      const again = new DatabaseSync(at("early-again"), { defensive: false })
      const { schema_version: changes } = other.prepare("PRAGMA schema_version").get()!
      again.exec(`PRAGMA schema_version = ${changes}`)
      again.close()
      other.exec(`VACUUM INTO '${at("vacuumed")}'`)
      other.close()
      yield* set("k3")
      killed(path, at("killed"))
    })
  )
  return at
}

describe("a copy that is restored beside the log of a gateway that was killed", () => {
  for (const name of ["early", "early-again", "late", "vacuumed"]) {
    test(`${name}: is refused and left alone; without the log it is served`, async () => {
      const at = await history()
      const place = folder()
      const restored = `${place}/x.db`
      copyFileSync(at(name), restored)
      copyFileSync(`${at("killed")}-wal`, `${restored}-wal`)
      const log = readFileSync(`${restored}-wal`)
      assert.match(await opening(restored), /x\.db-wal does not belong to .*x\.db/)
      assert.isTrue(readFileSync(restored).equals(readFileSync(at(name))))
      assert.isTrue(readFileSync(`${restored}-wal`).equals(log))

      writeFileSync(`${restored}-wal`, "")
      const keys = await succeed(
        { path: restored },
        Effect.gen(function* () {
          yield* set("new")
          killed(restored, `${place}/again.db`)
          return yield* keysInLog()
        })
      )
      assert.deepStrictEqual(keys, name.startsWith("early") ? ["k1", "new"] : ["k1", "k2", "new"])
      // What is written from then on belongs together again.
      assert.deepStrictEqual(await succeed({ path: `${place}/again.db` }, keysInLog()), keys)
    })
  }
})

test("the files of a gateway that was killed belong together, also in the middle of a checkpoint", async () => {
  const at = await history()
  const torn = `${folder()}/x.db`
  killed(at("killed"), torn)
  // SQLite writes the first page first: it then tells of more pages than there are.
  const log = readFileSync(`${torn}-wal`)
  const database = openSync(torn, "r+")
  const bytes = log.readUInt32BE(8)
  for (let frame = 32; frame + 24 + bytes <= log.length; frame += 24 + bytes) {
    if (log.compare(log, 16, 24, frame + 8, frame + 16) !== 0) break
    if (log.readUInt32BE(frame) === 1) writeSync(database, log, frame + 24, bytes, 0)
  }
  const pages = Buffer.alloc(4)
  pages.writeUInt32BE(0x7fffff)
  writeSync(database, pages, 0, 4, 28)
  closeSync(database)
  assert.deepStrictEqual(await succeed({ path: torn }, keysInLog()), ["k1", "k2", "k3"])
  assert.deepStrictEqual(await succeed({ path: at("killed") }, keysInLog()), ["k1", "k2", "k3"])
})

test("a log that ends elsewhere than its head says is refused", async () => {
  for (const harm of ["position = 3", "position = 2"]) {
    const path = `${folder()}/x.db`
    await succeed(
      { path },
      Effect.forEach(["k1", "k2", "k3"], (key) => set(key), { discard: true })
    )
    const db = new DatabaseSync(path)
    db.exec(`DELETE FROM events WHERE ${harm}`)
    db.close()
    const before = readFileSync(path)
    assert.match(await opening(path), /the log of the domain "d" does not end at its head/)
    assert.isTrue(readFileSync(path).equals(before))
  }
})

test("a copy of what is not there, or of another program's, is refused, and makes nothing", async () => {
  const place = folder()
  const failed = async (path: string, to: string) =>
    copyFile(path, to).then(
      () => "copied",
      (error: Error) => error.message
    )
  assert.match(await failed(`${place}/none.db`, `${place}/to.db`), /none\.db: there is no such file/)
  const other = new DatabaseSync(`${place}/other.db`)
  other.exec("CREATE TABLE t (n)")
  other.close()
  assert.match(await failed(`${place}/other.db`, `${place}/to.db`), /holds nothing of stategate/)
  assert.match(await failed(`${place}/other.db`, `${place}/other.db`), /is there already/)
  assert.deepStrictEqual(filesIn(place), ["other.db"])
  assert.isFalse(existsSync(`${place}/to.db`))
})
