import { mkdirSync } from "node:fs"
import { afterEach, assert, test } from "vitest"
import { ending, npmStart, reasonsOf, refusedStart, startGateway, temporaryFolder } from "../support/process.ts"

// A gateway that cannot start says why, in words that name what to change, and all of it at once.

const folders: Array<ReturnType<typeof temporaryFolder>> = []
const temporary = () => {
  const folder = temporaryFolder()
  folders.push(folder)
  return folder
}
afterEach(() => {
  for (const folder of folders.splice(0)) folder.remove()
})

/** No trace of the program's inside: what stands there is for an operator. */
const assertReadable = (stderr: string) => assert.notMatch(stderr, /\bat .*:\d+:\d+|node_modules|_tag|\[object/)

/** Where both outputs go to one place, as with containers, there is one line about it. */
const assertOneRefusal = ({ stdout, stderr }: Awaited<ReturnType<typeof refusedStart>>) =>
  assert.lengthOf(`${stdout}${stderr}`.match(/"level":"(fatal|error)"/g) ?? [], 1)

test("npm start without a word about authentication does not start, and names the variable", async () => {
  const ended = await ending(npmStart({ STATEGATE_AUTH_DISABLED: "" }))
  assert.strictEqual(ended.code, 1)
  assert.include(ended.stderr, "STATEGATE_JWKS_URI, STATEGATE_JWKS_FILE or STATEGATE_OIDC_ISSUER: set one of them")
})

test("several bad settings are told together", async () => {
  const ended = await refusedStart({
    STATEGATE_PORT: "eighty",
    STATEGATE_SHUTDOWN_GRACE: "soon",
    STATEGATE_AUTH_DISABLED: "maybe",
    STATEGATE_STORAGE_PROVIDER: '{"name":"floppy"}',
    STATEGATE_REQUEST_POLICY: "default secret := true"
  })
  assert.strictEqual(ended.code, 1)
  assert.sameMembers(
    reasonsOf(ended).map((reason) => reason.split(":")[0]),
    ["PORT", "SHUTDOWN_GRACE", "AUTH_DISABLED", "STORAGE_PROVIDER", "REQUEST_POLICY"].map((name) => `STATEGATE_${name}`)
  )
  assertReadable(ended.stderr)
  assert.notInclude(ended.stderr, "secret")
})

test("a port in use is told in words", async () => {
  const first = await startGateway()
  const { port } = new URL(first.url)
  const ended = await refusedStart({ STATEGATE_PORT: port })
  const operators = await refusedStart({ STATEGATE_METRICS_PORT: port })
  await first.stop()
  assert.strictEqual(ended.code, 1)
  assert.match(ended.stderr, new RegExp(`cannot start: .*\\b${port}\\b.* in use .*; set STATEGATE_PORT`))
  assertReadable(ended.stderr)
  assertOneRefusal(ended)
  assert.match(operators.stderr, new RegExp(`STATEGATE_METRICS_PORT.*\\b${port}\\b.* in use`))
  assert.notInclude(operators.stderr, "STATEGATE_PORT")
  assertOneRefusal(operators)
})

test("a store that another gateway holds, or that cannot be a file, is told in words", async () => {
  const folder = temporary()
  const provider = JSON.stringify({ name: "sqlite", path: `${folder.path}/stategate.db` })
  const first = await startGateway({ STATEGATE_STORAGE_PROVIDER: provider })
  const second = await refusedStart({ STATEGATE_STORAGE_PROVIDER: provider })
  await first.stop()
  assert.strictEqual(second.code, 1)
  assert.match(second.stderr, /cannot start: .*stategate\.db.*(another|in use|locked)/)
  assertReadable(second.stderr)

  mkdirSync(`${folder.path}/folder.db`)
  const path = `${folder.path}/folder.db`
  const third = await refusedStart({ STATEGATE_STORAGE_PROVIDER: JSON.stringify({ name: "sqlite", path }) })
  assert.strictEqual(third.code, 1)
  assert.match(third.stderr, /cannot start: .*folder\.db/)
  assertReadable(third.stderr)
})

test("a folder that cannot be made is told with the reason and what to do, once", async () => {
  const path = `${temporary().write("a-file", "")}/stategate.db`
  const ended = await refusedStart({ STATEGATE_STORAGE_PROVIDER: JSON.stringify({ name: "sqlite", path }) })
  assert.strictEqual(ended.code, 1)
  assert.match(ended.stderr, /its folder .*a-file cannot be made: it is a file; give a path/)
  assertReadable(ended.stderr)
  assertOneRefusal(ended)
})

test("an address of another machine is told in words", async () => {
  const elsewhere = await refusedStart({ STATEGATE_HOST: "192.0.2.1" })
  assert.strictEqual(elsewhere.code, 1)
  assert.include(elsewhere.stderr, "192.0.2.1 is no address of this machine")
  assertReadable(elsewhere.stderr)
})

test("files of TLS that cannot be used are told with everything else", async () => {
  const file = temporary().write("broken.pem", "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n")
  const ended = await refusedStart({
    STATEGATE_TLS_CERT_FILE: file,
    STATEGATE_TLS_KEY_FILE: `${file}.missing`,
    STATEGATE_PORT: "eighty"
  })
  assert.strictEqual(ended.code, 1)
  assert.sameMembers(
    reasonsOf(ended).map((reason) => reason.split(":")[0]),
    ["STATEGATE_TLS_CERT_FILE", "STATEGATE_TLS_KEY_FILE", "STATEGATE_PORT"]
  )
  assertReadable(ended.stderr)
})
