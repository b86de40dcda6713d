// Acknowledged means on the disk: the system calls of a gateway under load, in the order in which they happened.

import { spawn, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { afterEach, assert, test } from "vitest"
import { need, program } from "../support/need.ts"
import { environment, serving, temporaryFolder } from "../support/process.ts"

const root = new URL("../..", import.meta.url).pathname

const strace = program("strace")
const mayTrace = strace !== undefined && spawnSync(strace, ["-f", "-o", "/dev/null", "true"]).status === 0
const tracing = need("strace", { enable: "apt-get install strace, where processes may be traced", found: mayTrace })

const folder = temporaryFolder()
afterEach(folder.remove)

/** A call of the trace: what it was, and the lines at which it began and ended. */
interface Call {
  readonly thread: string
  readonly name: string
  readonly text: string
  readonly from: number
  readonly to: number
}

/** A call that takes longer is told in two lines, with those of other threads in between. */
const callsOf = (trace: string): ReadonlyArray<Call> => {
  const calls: Array<Call> = []
  const begun = new Map<string, Omit<Call, "to">>()
  for (const [at, line] of trace.split("\n").entries()) {
    const [, thread = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? []
    if (rest.startsWith("<... ")) {
      const call = begun.get(thread)
      if (call !== undefined) calls.push({ ...call, text: call.text + rest, to: at })
      begun.delete(thread)
      continue
    }
    const name = /^\w+(?=\()/.exec(rest)?.[0]
    if (name === undefined) continue
    const call = { thread, name, text: rest, from: at }
    if (rest.endsWith("<unfinished ...>")) begun.set(thread, call)
    else calls.push({ ...call, to: at })
  }
  return calls.sort((a, b) => a.from - b.from)
}

const eventIds = (text: string) => text.matchAll(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g)

test("every answer to a change is sent after the log file that holds it was synced", {
  ...tracing.options,
  timeout: 240_000
}, async () => {
  const file = `${folder.path}/trace.txt`
  const child = spawn(
    strace!,
    // Beside the gateway, not above it, so that signals reach that. The calls that write or sync, with the paths of their files and all that is written.
    [
      "-D",
      "-f",
      "-y",
      "-s",
      "65536",
      "-e",
      "trace=write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync",
      "-o",
      file
    ].concat([process.execPath, "runtimes/node.ts"]),
    { cwd: root, env: environment({ STATEGATE_STORAGE_PROVIDER: provider() }) }
  )
  const gateway = await serving(child)
  const answered = new Set<string>()
  const write = async (writer: number) => {
    for (let n = 0; n < 25; n++) {
      const response = await fetch(`${gateway.url}/api/entity/ref/d/t/${writer}-${n % 5}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ values: { writer, n } })
      })
      assert.strictEqual(response.status, 200)
      answered.add(response.headers.get("stategate-event-id")!)
    }
  }
  await Promise.all(Array.from({ length: 6 }, (_, writer) => write(writer)))
  await gateway.stop()
  // The trace is complete when strace, which has the same outputs, has ended too.
  await gateway.logged

  const writtenAt = new Map<string, Call>()
  const syncs: Array<Call> = []
  const acknowledged = new Map<string, Call>()
  for (const call of callsOf(readFileSync(file, "utf8"))) {
    const isLog = /^\w+\(\d+<[^>]*\.db-wal>/.test(call.text)
    if (/^f(data)?sync$/.test(call.name)) {
      if (isLog && /= 0$/.test(call.text)) syncs.push(call)
      continue
    }
    const isSocket = /^\w+\(\d+<[^>]*(socket|TCP)/.test(call.text)
    for (const [id] of eventIds(isLog || isSocket ? call.text : "")) {
      // The first time that it is written is by its own commit; the page that holds it may be written again.
      if (isLog && !writtenAt.has(id)) writtenAt.set(id, call)
      if (isSocket && answered.has(id) && !acknowledged.has(id)) acknowledged.set(id, call)
    }
  }
  assert.strictEqual(answered.size, 150)
  for (const id of answered) {
    const answer = acknowledged.get(id)
    const written = writtenAt.get(id)
    assert.isDefined(answer, `the answer about ${id} is in the trace`)
    assert.isDefined(written, `${id} was written to the log`)
    // The pages of a commit are written one after another by one thread, which then syncs them all.
    const covering = syncs.find(({ thread, from }) => thread === written!.thread && from > written!.to)
    assert.isDefined(covering, `the commit of ${id} was synced`)
    assert.isBelow(covering!.to, answer!.from, `the answer about ${id} was sent before the sync of its commit ended`)
  }
})

const provider = () => JSON.stringify({ name: "sqlite", path: `${folder.path}/stategate.db` })
