import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, test } from "vitest"
import { type GatewayProcess, startGateway } from "../support/process.ts"

const program = new URL("../../examples/service.ts", import.meta.url).pathname
const run = () => promisify(execFile)(process.execPath, [program, gateway.url, "chair", "10"])

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

test("services that take from one stock at the same time lose no update", async () => {
  await Promise.all([run(), run(), run()])
  const answer = await fetch(`${gateway.url}/api/entity/ref/warehouse/stock/chair`)
  const { values, version } = (await answer.json()) as { values: object; version: string }
  assert.deepStrictEqual({ values, version }, { values: { pieces: 70 }, version: "31" })
})
