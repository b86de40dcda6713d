import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, test } from "vitest"
import { Folder, isRunning, type Spec, startServer } from "./server.ts"

/** Two processes that do nothing, for ever. */
const idle: Spec = {
  name: "sh",
  command: "sh",
  args: ["-c", "sleep 1000 & wait"],
  stopSignal: "SIGTERM",
  probe: async () => {}
}

/** A process that starts a server, tells its pids and folder, and dies without another word. */
const dying = (meanwhile: string) => `
  import { Folder, startServer } from ${JSON.stringify(new URL("server.ts", import.meta.url).href)}
  const folder = new Folder()
  const server = await startServer({ ...${JSON.stringify(idle)}, probe: async () => {} }, folder)
  while (server.pids().length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  ${meanwhile}
  console.log(JSON.stringify({ pids: server.pids(), folder: folder.path }))
  setInterval(() => {}, 1000)
`

for (const meanwhile of ["", "server.pause()"]) {
  test(`a server and its folder go with the process of the test ${meanwhile && "even when it is paused"}`, async () => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", dying(meanwhile)], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    const [line] = await once(createInterface(child.stdout), "line")
    const { pids, folder } = JSON.parse(line) as { pids: ReadonlyArray<number>; folder: string }
    assert.strictEqual(pids.length, 2)
    assert.isTrue(pids.every(isRunning))
    child.kill("SIGKILL")
    while (pids.some(isRunning) || existsSync(folder)) await sleep(10)
  })
}

test("a server that does not start is told with its last words, and leaves nothing", async () => {
  const folder = new Folder()
  const broken = { ...idle, args: ["-c", "echo no such thing >&2; exit 3"], probe: () => Promise.reject(new Error()) }
  const failure = await startServer(broken, folder).catch(String)
  assert.include(failure, "sh ended before it worked:\nno such thing")
  assert.isFalse(existsSync(folder.path))
})

test("a program that is not there is told, too", async () => {
  const failure = await startServer({ ...idle, command: "no-such-program" }, new Folder()).catch(String)
  assert.include(failure, "sh ended before it worked")
})
