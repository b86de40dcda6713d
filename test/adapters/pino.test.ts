import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { openSync, readFileSync, truncateSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { afterEach, assert, beforeEach, describe, test } from "vitest"
import { logWaitingCharsMax } from "../../application/limits.ts"
import { type Fifo, openFifo } from "../support/fifo.ts"
import { need, program } from "../support/need.ts"
import { temporaryFolder } from "../support/process.ts"

// What the log does when its lines cannot be written: the process goes on, and says later how many it dropped.

let folder: ReturnType<typeof temporaryFolder>
const started: Array<ChildProcess> = []
const fifos: Array<Fifo> = []
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL")
  for (const fifo of fifos.splice(0)) fifo.close()
  folder.remove()
})

const fixture = new URL("logging-process.ts", import.meta.url).pathname
const bin = new URL("../../node_modules/.bin/", import.meta.url).pathname
/** 30 MB of lines, in a heap that could not hold them. */
const runtimes: Readonly<Record<string, ReadonlyArray<string>>> = {
  node: [process.execPath, "--max-old-space-size=24", fixture, "100000"],
  bun: [`${bin}bun`, fixture, "100000"]
}

const logging = (command: ReadonlyArray<string>, stdout: number | "pipe" | "ignore"): ChildProcess => {
  const child = spawn(command[0]!, command.slice(1), { stdio: ["pipe", stdout, "pipe"] })
  started.push(child)
  return child
}

// Runs a program on a terminal of its own, which is as slow as the reader of its output.
const script = need("the program script", { enable: "apt-get install bsdutils", found: program("script") })

interface State {
  readonly mostChars: number
  readonly lost: number
}

/** What the process says of itself when it has logged its lines. */
const stateOf = async (child: ChildProcess): Promise<State> => {
  let text = ""
  for await (const chunk of child.stderr!.setEncoding("utf8")) {
    text += chunk
    if (/^\{.*\}\n/.test(text)) return JSON.parse(text)
  }
  throw new Error(`the process ended: ${text}`)
}

interface Line {
  readonly msg: string
  readonly n?: number
  readonly lost?: number
}

const linesIn = (text: string): ReadonlyArray<Line> =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

/** Every line came in order, or is counted in a line that comes behind it. */
const assertComplete = (lines: ReadonlyArray<Line>, count: number) => {
  const numbers = lines.flatMap(({ n }) => n ?? [])
  assert.deepStrictEqual(
    numbers,
    numbers.toSorted((a, b) => a - b)
  )
  const lost = lines.reduce((sum, line) => sum + (line.lost ?? 0), 0)
  assert.strictEqual(numbers.length + lost, count)
  return lost
}

for (const [runtime, command] of Object.entries(runtimes)) {
  describe(runtime, () => {
    test("a pipe that nobody reads: memory is bounded, and the lost lines are counted when somebody reads", async () => {
      const fifo = openFifo(`${folder.path}/log`)
      fifos.push(fifo)
      const child = logging(command, fifo.writer)
      fifo.closeWriter()
      const { mostChars, lost } = await stateOf(child)
      assert.isAtMost(mostChars, logWaitingCharsMax)
      assert.isAtLeast(mostChars, logWaitingCharsMax / 2)
      assert.isAbove(lost, 50_000)
      const lines = linesIn(await fifo.read((text) => text.includes('"lost":') && child.stdin!.end()))
      assert.strictEqual(assertComplete(lines, 100_000), lost)
      assert.match(lines.findLast((line) => line.lost !== undefined)!.msg, /^\d+ log lines were lost: nobody read/)
      assert.strictEqual(lines.at(-1)?.msg, "last")
    })

    test("a terminal that is stopped, as with Ctrl-S: the process goes on as well", script.options, async () => {
      const fifo = openFifo(`${folder.path}/screen`)
      const stdin = openFifo(`${folder.path}/stdin`)
      fifos.push(fifo, stdin)
      const stateFile = folder.write("state", "")
      const inner = `${command.join(" ")} 2>${stateFile} <${folder.path}/stdin`
      const child = spawn(script.found!, ["-qec", inner, "/dev/null"], { stdio: ["ignore", fifo.writer, "inherit"] })
      started.push(child)
      fifo.closeWriter()
      let state = ""
      while (!state.endsWith("\n")) {
        assert.isNull(child.exitCode, state)
        await sleep(20)
        state = readFileSync(stateFile, "utf8")
      }
      const { mostChars, lost } = JSON.parse(state) as State
      assert.isAtMost(mostChars, logWaitingCharsMax)
      assert.isAbove(lost, 50_000)
      let goesOn = false
      const text = await fifo.read((text) => {
        if (goesOn || !text.includes('"lost":')) return
        goesOn = true
        stdin.closeWriter()
      })
      const lines = linesIn(text)
      assert.strictEqual(assertComplete(lines, 100_000), lost)
      assert.strictEqual(lines.at(-1)?.msg, "last")
    })

    test("a process that ends does not wait for a reader that never comes", async () => {
      const fifo = openFifo(`${folder.path}/log`)
      fifos.push(fifo)
      const child = logging(command, fifo.writer)
      fifo.closeWriter()
      await stateOf(child)
      child.stdin!.end()
      assert.deepStrictEqual(await once(child, "exit"), [0, null])
    })

    test("a file gets every line", async () => {
      const path = `${folder.path}/log`
      const child = logging(command, openSync(path, "w"))
      const { lost } = await stateOf(child)
      child.stdin!.end()
      await once(child, "exit")
      assert.strictEqual(lost, 0)
      const lines = linesIn(readFileSync(path, "utf8"))
      assert.strictEqual(assertComplete(lines, 100_000), 0)
      assert.strictEqual(lines.at(-1)?.msg, "last")
    })

    test("a file that may not grow: the process goes on, and so does the log when there is room again", async () => {
      const path = `${folder.path}/log`
      const child = logging(["sh", "-c", `ulimit -f 5000; exec ${command.join(" ")} >>${path}`], "ignore")
      const { mostChars, lost } = await stateOf(child)
      assert.isAtMost(mostChars, logWaitingCharsMax)
      assert.isAbove(lost, 50_000)
      const before = readFileSync(path, "utf8")
      truncateSync(path)
      while (!readFileSync(path, "utf8").includes('"lost":')) {
        assert.isNull(child.exitCode)
        await sleep(20)
      }
      child.stdin!.end()
      await once(child, "exit")
      const lines = linesIn(before + readFileSync(path, "utf8"))
      assert.strictEqual(assertComplete(lines, 100_000), lost)
      assert.strictEqual(lines.at(-1)?.msg, "last")
    })

    test("a pipe that is closed costs the lines alone", async () => {
      const fifo = openFifo(`${folder.path}/log`)
      const child = logging(command, fifo.writer)
      fifo.closeWriter()
      fifo.close()
      const { lost } = await stateOf(child)
      assert.isAbove(lost, 90_000)
      child.stdin!.end()
      assert.deepStrictEqual(await once(child, "exit"), [0, null])
    })
  })
}
