// Keys and tokens for the first hour, made by the program itself, and verified by what a gateway verifies with.

import { readFileSync, statSync } from "node:fs"
import { Effect } from "effect"
import { afterEach, assert, beforeEach, test } from "vitest"
import { keysInFile } from "../../adapters/auth/jwt/file-keys.ts"
import { type Command, commandOf, type Problem } from "../../runtimes/commands/arguments.ts"
import { type GenerateKeys, generateKeys, type MakeToken, makeToken } from "../../runtimes/commands/keys.ts"
import { believed, opened, refusedFor } from "../auth/world.ts"
import { temporaryFolder } from "../support/process.ts"

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => folder.remove())

const read = (...args: ReadonlyArray<string>): Command | Problem => commandOf(args, {})
const problemOf = (...args: ReadonlyArray<string>): string => {
  const command = read(...args)
  assert("problem" in command, `${args.join(" ")} is accepted`)
  return command.problem
}
const generate = (...args: ReadonlyArray<string>) =>
  generateKeys(read("keys", "generate", "--folder", `${folder.path}/keys`, ...args) as GenerateKeys)
const token = (...args: ReadonlyArray<string>) =>
  makeToken(read("token", "--folder", `${folder.path}/keys`, ...args) as MakeToken)
const asking = () =>
  opened(Effect.map(keysInFile(`${folder.path}/keys/jwks.json`), (source) => [{ issuer: undefined, source }]))

test("a token is believed by the key set that was made with its key, and tells its claims", async () => {
  await generate()
  await using asked = await asking()
  const claims = ["--claim", "tenant=acme", "--claim", 'roles=["a", "b"]', "--claim", "admin=true", "--claim", "id=007"]
  const principal = believed(await asked.withToken(await token("--sub", "alice", ...claims, "--claim", "x=a=b")))
  const { iat, exp, ...rest } = principal.claims
  assert.deepStrictEqual(rest, { sub: "alice", tenant: "acme", roles: ["a", "b"], admin: true, id: "007", x: "a=b" })
  assert.strictEqual(Number(exp) - Number(iat), 3600)
})

test("it lives as long as it is told to", async () => {
  await generate()
  await using asked = await asking()
  const make = read("token", "--folder", `${folder.path}/keys`, "--sub", "a", "--ttl", "90s") as MakeToken
  believed(await asked.withToken(await makeToken(make)))
  refusedFor(await asked.withToken(await makeToken(make, Date.now() - 121_000)), /expired at/)
})

test("the private key is for its owner alone, and not in the key set", async () => {
  await generate()
  assert.strictEqual(statSync(`${folder.path}/keys/private.json`).mode & 0o777, 0o600)
  assert.notProperty(JSON.parse(readFileSync(`${folder.path}/keys/jwks.json`, "utf8")).keys[0], "d")
})

test("keys that are there are never overwritten", async () => {
  await generate()
  const before = await token("--sub", "alice")
  const failed = await generate().catch((error: Error) => error.message)
  assert.match(failed, /private\.json is there already; its tokens would not be good any more/)
  assert.match(await generate("--keep"), /are there already/)
  await using asked = await asking()
  believed(await asked.withToken(before))
})

test("what is missing or wrong is told", async () => {
  assert.match(problemOf("keys"), /keys generate/)
  assert.match(problemOf("keys", "generate", "--fodler", "x"), /--fodler/)
  assert.match(problemOf("token"), /--sub is missing/)
  assert.match(problemOf("token", "--sub", "a", "--ttl", "soon"), /^--ttl: "soon" is not a duration/)
  assert.match(problemOf("token", "--sub", "a", "--claim", "tenant"), /must be a name, = and a value/)
  const failed = await token("--sub", "alice").catch((error: Error) => error.message)
  assert.match(failed, /private\.json holds no private key; "keys generate" makes one/)
})
