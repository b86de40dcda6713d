// A key set in a file: it is read again when it changes, in whichever way that happens.

import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { afterEach, assert, beforeEach, describe, test } from "vitest"
import { keysInFile } from "../../adapters/auth/jwt/file-keys.ts"
import { layer } from "../../adapters/auth/jwt/layer.ts"
import { type SigningKey, signed, signingKey } from "../support/issuer.ts"
import { temporaryFolder } from "../support/process.ts"
import { until } from "./issuers.ts"
import { type Asked, believed, opened } from "./world.ts"

const first = await signingKey("first")
const second = await signingKey("second")
const setOf = (...keys: ReadonlyArray<SigningKey>) => JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })

let folder: ReturnType<typeof temporaryFolder>
let path: string
let asked: Asked

beforeEach(async () => {
  folder = temporaryFolder()
  path = join(folder.path, "jwks.json")
})
afterEach(() => folder.remove())

const open = async () => {
  asked = await opened(Effect.map(keysInFile(path, { pollMs: 5 }), (source) => [{ issuer: undefined, source }]))
  return asked
}
const believes = async (key: SigningKey) => "claims" in (await asked.withToken(await signed(key)))

describe("a file of keys is read again when it", () => {
  test("is written", async () => {
    writeFileSync(path, setOf(first))
    await using _ = await open()
    assert.deepStrictEqual([await believes(first), await believes(second)], [true, false])
    const known = await signed(first)
    believed(await asked.withToken(known))
    writeFileSync(path, setOf(second))
    await until(() => believes(second))
    assert.notProperty(await asked.withToken(known), "claims")
  })

  test("is replaced by renaming another into its place", async () => {
    writeFileSync(path, setOf(first))
    await using _ = await open()
    // As long as the first, and written before it is there: neither size nor place says that it is another.
    writeFileSync(`${path}.new`, setOf(second).replace("second", "first"))
    renameSync(`${path}.new`, path)
    await until(() => believes({ ...second, kid: "first" }))
  })

  test("is a symbolic link that names another folder now, as Kubernetes does it", async () => {
    for (const [name, key] of [
      ["1", first],
      ["2", second]
    ] as const) {
      mkdirSync(join(folder.path, name))
      writeFileSync(join(folder.path, name, "jwks.json"), setOf(key))
    }
    symlinkSync("1", join(folder.path, "..data"))
    symlinkSync("..data/jwks.json", path)
    await using _ = await open()
    assert.isTrue(await believes(first))
    symlinkSync("2", join(folder.path, "..new"))
    renameSync(join(folder.path, "..new"), join(folder.path, "..data"))
    await until(() => believes(second))
    assert.isFalse(await believes(first))
  })
})

test("while the file is broken or gone, the keys before serve, and the log says why", async () => {
  writeFileSync(path, setOf(first))
  await using _ = await open()
  writeFileSync(path, "{")
  await until(async () => (await asked.keys()) === "stale")
  assert.isTrue(await believes(first))
  assert.match(asked.lines.join("\n"), /jwks\.json: the key set must be valid JSON\); the last good keys serve/)
  writeFileSync(path, setOf(second))
  await until(async () => (await asked.keys()) === "ok")
  rmSync(path)
  await until(async () => (await asked.keys()) === "stale")
  assert.isTrue(await believes(second))
})

test("a file that cannot be read at start is a reason not to start, which names the setting", async () => {
  for (const text of [undefined, "{}", "<!doctype html>"]) {
    if (text !== undefined) writeFileSync(path, text)
    const exit = await Effect.runPromise(
      Effect.result(Effect.scoped(Effect.provide(Effect.void, layer({ keys: { file: path } }))))
    )
    assert(exit._tag === "Failure")
    assert.match(exit.failure.message, /^STATEGATE_JWKS_FILE: .*jwks\.json: /)
  }
})
