// One gateway for one SQLite file, whatever it is called.

import { execFileSync } from "node:child_process"
import { existsSync, linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { Effect } from "effect"
import { assert, test } from "vitest"
import { need } from "../support/need.ts"
import { answerTo, cleanUp, filesIn, folder, keysInLog, opening, set, succeed } from "./sqlite-world.ts"

const inUse = /is in use by another process/

/** What happens when a file that is served is opened by another name, or after something was done to it. */
const openedBeside = (path: string, before: () => string) =>
  succeed(
    { path },
    Effect.gen(function* () {
      yield* set("k1")
      const other = before()
      const answer = yield* Effect.promise(() => opening(other))
      assert.strictEqual(yield* answerTo("k2"), "done")
      assert.deepStrictEqual(yield* keysInLog(), ["k1", "k2"])
      return answer
    })
  )

const twoFolders = () => {
  const place = folder()
  mkdirSync(`${place}/a`)
  mkdirSync(`${place}/b`)
  return { a: `${place}/a/x.db`, b: `${place}/b/x.db`, folderB: `${place}/b` }
}

test("a symbolic link to a file that is served is refused", async () => {
  const { a, b, folderB } = twoFolders()
  const answer = await openedBeside(a, () => {
    symlinkSync(a, b)
    return b
  })
  assert.match(answer, inUse)
  assert.deepStrictEqual(filesIn(folderB), ["x.db"])
})

test("a symbolic link is served like the file itself", async () => {
  const { a, b } = twoFolders()
  await opening(a)
  symlinkSync(a, b)
  assert.match(await openedBeside(b, () => a), inUse)
})

test("a hard link to a file is refused, be it served or not", async () => {
  const { a, b, folderB } = twoFolders()
  const link = () => {
    linkSync(a, b)
    return b
  }
  assert.match(await openedBeside(a, link), /has 2 names \(hard links\)/)
  assert.match(await opening(b), /has 2 names/)
  assert.deepStrictEqual(filesIn(folderB), ["x.db"])
})

test("a file whose lock was removed is refused all the same, and locked again", async () => {
  const path = `${folder()}/x.db`
  const remove = () => {
    rmSync(`${path}-lock`)
    return path
  }
  assert.match(await openedBeside(path, remove), inUse)
  await succeed(
    { path },
    Effect.gen(function* () {
      remove()
      yield* set("k3")
      assert.isTrue(existsSync(`${path}-lock`))
      const other = new DatabaseSync(`${path}-lock`, { timeout: 0 })
      assert.throws(() => other.exec("BEGIN EXCLUSIVE"), /locked/)
      other.close()
    })
  )
})

test("a file whose lock another process has taken meanwhile is not written to", async () => {
  const path = `${folder()}/x.db`
  await succeed(
    { path },
    Effect.gen(function* () {
      yield* set("k1")
      rmSync(`${path}-lock`)
      const other = new DatabaseSync(`${path}-lock`)
      other.exec("BEGIN EXCLUSIVE")
      assert.match(yield* answerTo("k2"), /^Unavailable/)
      other.close()
      assert.strictEqual(yield* answerTo("k3"), "done")
      assert.deepStrictEqual(yield* keysInLog(), ["k1", "k3"])
    })
  )
})

const isLocked = (db: DatabaseSync): boolean => {
  try {
    db.exec("BEGIN IMMEDIATE; ROLLBACK")
    return false
  } catch {
    return true
  }
}

test("another program cannot write to a file that is served, and can read it", async () => {
  const path = `${folder()}/x.db`
  await succeed(
    { path },
    Effect.gen(function* () {
      yield* set("k1")
      const other = new DatabaseSync(path, { timeout: 0 })
      assert.strictEqual(other.prepare("SELECT count(*) AS n FROM events").get()?.["n"], 1)
      // The lock is taken again right behind the answer, and then kept.
      while (!isLocked(other)) yield* Effect.sleep(1)
      assert.throws(() => other.exec("DELETE FROM events"), /locked/)
      other.close()
      assert.strictEqual(yield* answerTo("k2"), "done")
    })
  )
})

const mount = (() => {
  const { a, b } = twoFolders()
  try {
    for (const file of [a, b]) writeFileSync(file, "")
    execFileSync("mount", ["--bind", a, b], { stdio: "ignore" })
    execFileSync("umount", [b], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()
const mounting = need("bind mounts", { enable: "run as root, where mounting is allowed", found: mount })

test("a file that is mounted by itself is refused", mounting.options, async () => {
  const { a, b, folderB } = twoFolders()
  const bind = () => {
    writeFileSync(b, "")
    execFileSync("mount", ["--bind", a, b])
    cleanUp(() => execFileSync("umount", ["-l", b]))
    return b
  }
  assert.match(await openedBeside(a, bind), /is mounted by itself; mount its folder/)
  assert.deepStrictEqual(filesIn(folderB), ["x.db"])
})
