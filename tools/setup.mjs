// Installs what package-lock.json asks for, and only when that is not what is installed already: `npm ci` empties
// node_modules first, which would pull the ground from under a gateway that runs from it.
//
// Runs as an npm pre-hook, so it is plain JavaScript without imports from node_modules. A hook of its own, because a
// shell remembers where it found `node`: the script proper starts in a new shell, which finds the one just installed.

import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const windows = process.platform === "win32"
// Inside node_modules, so that whatever empties it takes the stamp along.
const stampFile = `${root}node_modules/.stategate-installed`
const nodeFile = `${root}node_modules/.bin/node${windows ? ".cmd" : ""}`
// Holds the process that is installing. Two at once, of two terminals or of one that was interrupted and is still
// tidying up, leave half of node_modules and both report success.
const lockFile = `${root}.cache/setup.pid`
const nodeFloor = [22, 22]

// The platform is part of it: a checkout shared with a container holds binaries for one of the two.
const wanted = () => {
  const hash = createHash("sha256")
    .update(readFileSync(`${root}package-lock.json`))
    .digest("hex")
  return `${hash} ${process.platform}-${process.arch}\n`
}
const installed = () => read(stampFile) === wanted()

if (!installed()) {
  await locked(async () => {
    // Perhaps the one we waited for did it.
    if (!installed()) await install()
  })
}
checkNode()

async function install() {
  const why = existsSync(`${root}node_modules`) ? "package-lock.json is not what is installed" : "nothing is installed"
  process.stderr.write(`setup: ${why}; running npm ci\n`)
  const stamp = wanted()
  // Gone before the work starts and back only after it succeeded: an interrupted install is never taken for a whole one.
  rmSync(stampFile, { force: true })
  const problem = await npm("ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error")
  if (problem !== undefined) {
    process.stderr.write(`setup: npm ci failed (${problem}); the next start tries again\n`)
    process.exitCode = 1
    return
  }
  writeFileSync(stampFile, stamp)
}

/** Runs npm to its end; answers what went wrong. */
function npm(...args) {
  // The npm that called us, on the Node it runs on: both live outside the folder that is about to be emptied.
  const { npm_node_execpath: node, npm_execpath: program } = process.env
  const options = { cwd: root, stdio: "inherit" }
  const child =
    node && program ? spawn(node, [program, ...args], options) : spawn("npm", args, { ...options, shell: windows })
  if (child.pid) writeFileSync(lockFile, String(child.pid))
  // Ctrl-C reaches npm as well, which then puts things back; whoever starts anew meanwhile would build on sand.
  process.on("SIGINT", () => {})
  process.on("SIGTERM", () => child.kill("SIGTERM"))
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message))
    child.once("close", (code, signal) => resolve(code === 0 ? undefined : (signal ?? `exit ${code}`)))
  })
}

async function locked(work) {
  mkdirSync(`${root}.cache`, { recursive: true })
  let told = false
  while (!tryLock()) {
    const holder = Number(read(lockFile))
    if (!isAlive(holder)) rmSync(lockFile, { force: true })
    else if (!told) {
      process.stderr.write(`setup: waiting for process ${holder}, which is installing (or remove ${lockFile})\n`)
      told = true
    }
    await sleep(100)
  }
  try {
    await work()
  } finally {
    rmSync(lockFile, { force: true })
  }
}

function tryLock() {
  try {
    writeFileSync(lockFile, String(process.pid), { flag: "wx" })
    return true
  } catch (error) {
    if (error.code === "EEXIST") return false
    throw error
  }
}

function isAlive(pid) {
  // Being written this moment.
  if (!(pid > 0)) return existsSync(lockFile)
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === "EPERM"
  }
}

function read(file) {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined
}

function checkNode() {
  // Without an install there is more to mend than the Node.
  if (process.exitCode) return
  if (isRecent(process.versions.node)) return
  const bundled = existsSync(nodeFile)
    ? spawnSync(nodeFile, ["--version"], { encoding: "utf8", shell: windows })
    : undefined
  if (bundled?.status === 0 && isRecent(bundled.stdout.trim().slice(1))) return
  process.stderr.write(
    `setup: stategate needs Node ${nodeFloor.join(".")} or newer (24 is what it is developed on). This is ` +
      `${process.version}, and no newer one could be installed for ${process.platform}-${process.arch}.\n`
  )
  process.exit(1)
}

function isRecent(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  return major > nodeFloor[0] || (major === nodeFloor[0] && minor >= nodeFloor[1])
}
