import { spawnSync } from "node:child_process"
import { assert, test } from "vitest"

const floor = new URL("../../runtimes/floor.js", import.meta.url).pathname

/** Runs the check as a Node of another version would. */
const checked = (version: string) => {
  const pretend = `data:text/javascript,Object.defineProperty(process.versions,"node",{value:"${version}"})`
  return spawnSync(process.execPath, ["--import", pretend, "--import", floor, "-e", "0"], { encoding: "utf8" })
}

test.each(["20.20.2", "22.21.9"])("Node %s is told what it lacks, instead of a syntax error", (version) => {
  const { status, stderr } = checked(version)
  assert.strictEqual(status, 1)
  assert.include(stderr, "stategate needs Node 22.22 or later")
})

test.each(["22.22.0", "24.0.0"])("Node %s will do", (version) => {
  assert.deepInclude(checked(version), { status: 0, stderr: "" })
})
