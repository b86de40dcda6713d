// Stores that a command reads from: one that is mistyped, and one that a gateway serves meanwhile.

import { spawn } from "node:child_process"
import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { afterEach, assert, describe, test } from "vitest"
import { EntityService } from "../../proto/gen/stategate/stategate_pb.js"
import { cassandra } from "../services/cassandra.ts"
import { ferretdb } from "../services/ferretdb.ts"
import { postgresql } from "../services/postgres.ts"
import { use } from "../services/service.ts"
import { ending, startGateway, temporaryFolder } from "../support/process.ts"

const folders: Array<ReturnType<typeof temporaryFolder>> = []
const folder = () => {
  const made = temporaryFolder()
  folders.push(made)
  return made.path
}
afterEach(() => {
  for (const made of folders.splice(0)) made.remove()
})

const root = new URL("../..", import.meta.url).pathname
const stategate = (...args: ReadonlyArray<string>) =>
  ending(spawn(process.execPath, ["runtimes/node.ts", ...args], { cwd: root }))

describe("a store that holds nothing of stategate is refused by name, and stays as it is", () => {
  const refused = async (provider: object, named: RegExp) => {
    const place = folder()
    const target = JSON.stringify({ name: "sqlite", path: `${place}/new.db` })
    const source = JSON.stringify(provider)
    // The second finds it as the first left it.
    for (const args of [
      ["migrate", "--from", source, "--to", target],
      ["rebuild", "--repair", "--storage", source]
    ]) {
      const { code, stdout, stderr } = await stategate(...args)
      assert.strictEqual(code, 1, stdout)
      assert.match(stderr, named)
      assert.strictEqual(stdout, "")
    }
    assert.isFalse(existsSync(`${place}/new.db`))
  }

  test("a SQLite file that is not there", async () => {
    const place = folder()
    await refused({ name: "sqlite", path: `${place}/data/shopp.db` }, /data\/shopp\.db: there is no such file/)
    assert.deepStrictEqual(readdirSync(place), [])
  })

  test("a SQLite file that is empty, and one of another program", async () => {
    const place = folder()
    writeFileSync(`${place}/empty.db`, "")
    await refused({ name: "sqlite", path: `${place}/empty.db` }, /empty\.db: holds nothing of stategate/)
    const other = new DatabaseSync(`${place}/other.db`)
    other.exec("CREATE TABLE domains (n INTEGER)")
    other.close()
    await refused({ name: "sqlite", path: `${place}/other.db` }, /other\.db: holds nothing of stategate/)
  })

  test("the memory of a process that has just begun", () => refused({ name: "memory" }, /memory store holds nothing/))

  const servers = { postgres: use(postgresql), mongo: use(ferretdb), cassandra: use(cassandra) }
  for (const [name, { options, fresh }] of Object.entries(servers)) {
    test(`an empty place on ${name}`, options, async () => {
      const place = fresh()
      const { keyspace, schema, database } = { keyspace: "", schema: "", database: "", ...place }
      await refused({ name, ...place }, new RegExp(`${keyspace}${schema}${database}.*holds nothing of stategate`))
    })
  }
})

test("a SQLite file is migrated while a gateway writes to it, and then what is new", async () => {
  const place = folder()
  const [from, to] = ["from", "to"].map((name) => JSON.stringify({ name: "sqlite", path: `${place}/${name}.db` }))
  const gateway = await startGateway({ STATEGATE_STORAGE_PROVIDER: from! })
  const entities = createClient(EntityService, createGrpcTransport({ baseUrl: gateway.url }))
  let sets = 0
  let isWriting = true
  const set = () => entities.set({ domain: "shop", type: "order", key: `${sets++}`, values: { n: sets } })
  await set()
  const writing = (async () => {
    while (isWriting) await set()
  })()
  const first = await stategate("migrate", "--from", from!, "--to", to!)
  isWriting = false
  await writing
  assert.match(first.stdout, /^"shop": [1-9]\d* copied, .* the same/m, first.stderr)
  const second = await stategate("migrate", "--from", from!, "--to", to!)
  assert.strictEqual(second.code, 0, second.stderr)
  assert.match(second.stdout, new RegExp(`^"shop": \\d+ copied, ${sets} of ${sets} events, the same`, "m"))
  await set()
  assert.strictEqual((await gateway.stop()).code, 0)
  // One that nobody serves is read in the same way.
  const third = await stategate("migrate", "--from", from!, "--to", to!)
  assert.match(third.stdout, /^"shop": 1 copied/m, third.stderr)
})
