// Installs what package-lock.json asks for, and only when that is not what is installed already: `npm ci` empties
// node_modules first, which would pull the ground from under a gateway that runs from it.
//
// Runs as an npm pre-hook, so it is plain JavaScript without imports from node_modules. A hook of its own, because a
// shell remembers where it found `node`: the script proper starts in a new shell, which finds the one just installed.

import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const windows = process.platform === "win32"
// Inside node_modules, so that whatever empties it takes the stamp along.
const stampFile = `${root}node_modules/.stategate-installed`
const nodeFile = `${root}node_modules/.bin/node${windows ? ".cmd" : ""}`
const nodeFloor = [22, 22]

const lock = readFileSync(`${root}package-lock.json`)
// The platform is part of it: a checkout shared with a container holds binaries for one of the two.
const wanted = `${createHash("sha256").update(lock).digest("hex")} ${process.platform}-${process.arch}\n`

if (installed() !== wanted) install()
checkNode()

function installed() {
  return existsSync(stampFile) ? readFileSync(stampFile, "utf8") : undefined
}

function install() {
  const why = existsSync(`${root}node_modules`) ? "package-lock.json is not what is installed" : "nothing is installed"
  process.stderr.write(`setup: ${why}; running npm ci\n`)
  // Gone before the work starts and back only after it succeeded: an interrupted install is never taken for a whole one.
  rmSync(stampFile, { force: true })
  const args = ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"]
  // The npm that called us, on the Node it runs on: both live outside the folder that is about to be emptied.
  const { npm_node_execpath: node, npm_execpath: npm } = process.env
  const done =
    node && npm
      ? spawnSync(node, [npm, ...args], { cwd: root, stdio: "inherit" })
      : spawnSync("npm", args, { cwd: root, stdio: "inherit", shell: windows })
  if (done.status !== 0) {
    process.stderr.write(`setup: npm ci failed (${done.error?.message ?? done.signal ?? `exit ${done.status}`})\n`)
    process.exit(1)
  }
  writeFileSync(stampFile, wanted)
}

function checkNode() {
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
