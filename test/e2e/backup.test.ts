// A copy that is made while the file is served, restored, and what clients of before meet then.

import { spawn } from "node:child_process"
import { copyFileSync, rmSync } from "node:fs"
import { Code, ConnectError, createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { afterEach, assert, test } from "vitest"
import { EntityService, EventService } from "../../proto/gen/stategate/stategate_pb.js"
import { ending, environment, startGateway, temporaryFolder } from "../support/process.ts"

const folder = temporaryFolder()
afterEach(folder.remove)

const root = new URL("../..", import.meta.url).pathname
const path = `${folder.path}/x.db`
const env = { STATEGATE_STORAGE_PROVIDER: JSON.stringify({ name: "sqlite", path }) }

const clientsOf = (url: string) => {
  const transport = createGrpcTransport({ baseUrl: url })
  const entities = createClient(EntityService, transport)
  const events = createClient(EventService, transport)
  const set = async (key: string) => {
    let replayed = false
    const onHeader = (headers: Headers) => {
      replayed = headers.get("stategate-replayed") === "true"
    }
    const headers = { "idempotency-key": key }
    await entities.set({ domain: "d", type: "t", key, values: { key } }, { headers, onHeader })
    return replayed ? "replayed" : "new"
  }
  /** The keys of so many events, and the last cursor; or the code of the failure. */
  const read = async (after: string, count: number) => {
    const start = after === "" ? { case: "beginning" as const, value: true } : { case: "after" as const, value: after }
    const keys: Array<string> = []
    let cursor = after
    try {
      for await (const event of events.stream({ domain: "d", type: "*", start })) {
        keys.push(event.entity!.key)
        cursor = event.cursor
        if (keys.length === count) break
      }
      return { keys, cursor }
    } catch (error) {
      return Code[ConnectError.from(error).code]
    }
  }
  return { set, read }
}

const cursorOf = (answer: Awaited<ReturnType<ReturnType<typeof clientsOf>["read"]>>): string =>
  typeof answer === "string" ? assert.fail(answer) : answer.cursor

test("a backup of a file that is served can be restored: cursors and retries from before it go on", {
  timeout: 240_000
}, async () => {
  const first = await startGateway(env)
  const before = clientsOf(first.url)
  for (const key of ["k1", "k2", "k3"]) await before.set(key)
  const early = cursorOf(await before.read("", 2))
  // With the one that is set last.
  let sets = 4
  let isWriting = true
  const writing = (async () => {
    while (isWriting) await before.set(`load-${sets++}`)
  })()
  const args = ["runtimes/node.ts", "backup", "--to", `${folder.path}/backup.db`]
  const copied = await ending(spawn(process.execPath, args, { cwd: root, env: environment(env) }))
  isWriting = false
  await writing
  assert.strictEqual(copied.code, 0, copied.stderr)
  const [, count] = /^1 domains, (\d+) events copied to /m.exec(copied.stdout) ?? []
  const events = Number(count)
  assert.isAtLeast(events, 3)
  await before.set("lost-1")
  const late = cursorOf(await before.read("", sets))
  await first.stop("SIGKILL")

  for (const file of [path, `${path}-wal`, `${path}-shm`]) rmSync(file)
  copyFileSync(`${folder.path}/backup.db`, path)
  const second = await startGateway(env)
  const after = clientsOf(second.url)
  assert.strictEqual(await after.set("k3"), "replayed")
  assert.deepNestedInclude(await after.read(early, 1), { keys: ["k3"] })
  assert.strictEqual(await after.read(late, 1), "OutOfRange")
  assert.strictEqual(await after.set("lost-1"), "new")
  for (let n = events; n < sets + 10; n++) await after.set(`grown-${n}`)
  assert.strictEqual(await after.read(late, 1), "OutOfRange")
  await second.stop()
})
