// Logs that move to another store, and a projection that is put right, as an operator does it.

import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { afterEach, assert, describe, test } from "vitest"
import { EntityService, EventService } from "../../proto/gen/stategate/stategate_pb.js"
import { cassandra } from "../services/cassandra.ts"
import { ferretdb } from "../services/ferretdb.ts"
import { postgresql } from "../services/postgres.ts"
import { use } from "../services/service.ts"
import { ending, reasonsOf, startGateway, temporaryFolder } from "../support/process.ts"

const folders: Array<ReturnType<typeof temporaryFolder>> = []
const fileOf = (name: string) => {
  const folder = temporaryFolder()
  folders.push(folder)
  return `${folder.path}/${name}`
}
afterEach(() => {
  for (const folder of folders.splice(0)) folder.remove()
})

const root = new URL("../..", import.meta.url).pathname
const stategate = (...args: ReadonlyArray<string>) =>
  ending(spawn(process.execPath, ["runtimes/node.ts", ...args], { cwd: root }))

const sqlite = (path: string) => ({ name: "sqlite", path })

/** Serves a store while `use` talks to it. */
const serving = async <A>(storage: object, talk: (url: string) => Promise<A>): Promise<A> => {
  const gateway = await startGateway({ STATEGATE_STORAGE_PROVIDER: JSON.stringify(storage) })
  try {
    return await talk(gateway.url)
  } finally {
    await gateway.stop()
  }
}

const set = (url: string, key: string, n: number) =>
  createClient(EntityService, createGrpcTransport({ baseUrl: url })).set(
    { domain: "shop", type: "order", key, values: { n } },
    { headers: { "idempotency-key": `${key}-${n}` } }
  )

const positionsAfter = async (url: string, after: string, until: bigint) => {
  const client = createClient(EventService, createGrpcTransport({ baseUrl: url }))
  const start = after === "" ? { case: "beginning" as const, value: true } : { case: "after" as const, value: after }
  const seen: Array<{ readonly position: bigint; readonly cursor: string }> = []
  for await (const event of client.stream({ domain: "shop", type: "*", start })) {
    seen.push(event)
    if (event.position === until) break
  }
  return seen
}

const servers = { postgres: use(postgresql), mongo: use(ferretdb), cassandra: use(cassandra) }

describe("migrate", () => {
  const places = [
    { name: "sqlite", options: {}, target: () => sqlite(fileOf("to.db")) },
    ...Object.entries(servers).map(([name, { options, fresh }]) => ({
      name,
      options,
      target: () => ({ name, ...fresh() })
    }))
  ]
  for (const { name, options, target } of places) {
    test(`moves logs to ${name} and back: cursors and retries go on, and it can be gone on with`, options, async () => {
      const from = sqlite(fileOf("from.db"))
      const to = target()
      const [first] = await serving(from, async (url) => {
        for (let n = 1; n <= 3; n++) await set(url, "1001", n)
        return await positionsAfter(url, "", 3n)
      })
      const file = fileOf("to.json")
      writeFileSync(file, JSON.stringify(to))
      const args = ["migrate", "--from", JSON.stringify(from), "--to", `@${file}`]
      const moved = await stategate(...args)
      assert.strictEqual(moved.code, 0, moved.stderr)
      assert.match(moved.stdout, /^"shop": 3 copied, 3 of 3 events, the same \(sha256 [0-9a-f]{64}\)$/m)
      assert.match(moved.stdout, /^1 domains, 3 events copied: all are the same in both stores$/m)

      await serving(from, (url) => set(url, "1001", 4))
      const again = await stategate(...args)
      assert.strictEqual(again.code, 0, again.stderr)
      assert.match(again.stdout, /^"shop": 1 copied, 4 of 4 events, the same/m)

      await serving(to, async (url) => {
        const rest = await positionsAfter(url, first!.cursor, 4n)
        assert.deepStrictEqual(
          rest.map(({ position }) => position),
          [2n, 3n, 4n]
        )
        await set(url, "1001", 3)
        await set(url, "1001", 5)
        const after = await positionsAfter(url, rest.at(-1)!.cursor, 5n)
        assert.lengthOf(after, 1, "the retry of a call that the old store answered made no event")
      })
      const parted = await stategate(...args)
      assert.strictEqual(parted.code, 1)
      assert.include(parted.stderr, "the target has another log of shop")

      const sound = await stategate("rebuild", "--storage", `@${file}`)
      assert.strictEqual(sound.code, 0, sound.stderr)
      assert.include(sound.stdout, '"shop": 5 events make 1 entities; 0 differ')

      const home = sqlite(fileOf("home.db"))
      const back = await stategate("migrate", "--from", `@${file}`, "--to", JSON.stringify(home))
      assert.strictEqual(back.code, 0, back.stderr)
      await serving(home, async (url) => assert.lengthOf(await positionsAfter(url, first!.cursor, 5n), 4))
    })
  }
})

describe("rebuild", () => {
  test("prints what differs from the log, and repairs it with --repair", async () => {
    const path = fileOf("rebuild.db")
    await serving(sqlite(path), async (url) => {
      await set(url, "1001", 1)
      await set(url, "1002", 2)
    })
    const args = ["rebuild", "--storage", JSON.stringify(sqlite(path))]
    const sound = await stategate(...args)
    assert.strictEqual(sound.code, 0, sound.stderr)
    assert.include(sound.stdout, '"shop": 2 events make 2 entities; 0 differ')

    const db = new DatabaseSync(path)
    db.exec(`UPDATE entities SET "values" = '{"n":9}' WHERE key = '1001'; DELETE FROM entities WHERE key = '1002'`)
    db.close()
    const damaged = await stategate(...args)
    assert.strictEqual(damaged.code, 1)
    assert.include(damaged.stdout, '"shop/order/1001": is stored with other values, and should be at version 1')
    assert.include(damaged.stdout, '"shop/order/1002": version 1 is missing')
    assert.strictEqual((await stategate(...args, "--repair")).code, 0)
    const repaired = await stategate(...args)
    assert.strictEqual(repaired.code, 0, repaired.stdout)
    await serving(sqlite(path), async (url) => {
      const found = await createClient(EntityService, createGrpcTransport({ baseUrl: url })).get({
        domain: "shop",
        type: "order",
        key: "1002"
      })
      assert.deepStrictEqual(found.values, { n: 2 })
    })
  })
})

describe("what cannot be done is told", () => {
  const refusals: Readonly<Record<string, readonly [args: ReadonlyArray<string>, told: RegExp]>> = {
    "a command that is none": [["migrat"], /there is no command "migrat"[\s\S]*rebuild/],
    "a missing option": [["migrate", "--from", '{"name":"memory"}'], /--to is missing/],
    "an option that is none": [["rebuild", "--force"], /the arguments are not as they have to be/],
    "a provider that is none": [["rebuild", "--storage", '{"name":"floppy"}'], /--storage: its "name" must be one of/],
    "a file that is none": [["rebuild", "--storage", "@nowhere.json"], /--storage: the file cannot be read/]
  }
  for (const [what, [args, told]] of Object.entries(refusals)) {
    test(what, async () => {
      const ended = await stategate(...args)
      assert.strictEqual(ended.code, 2)
      assert.match(reasonsOf(ended).join(), told)
    })
  }
})
