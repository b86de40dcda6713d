import { fromBinary } from "@bufbuild/protobuf"
import { Code, ConnectError, createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { afterAll, assert, beforeAll, test } from "vitest"
import { violationsMax } from "../../application/limits.ts"
import { BadRequestSchema } from "../../proto/gen/google/rpc/error_details_pb.js"
import { EntityService } from "../../proto/gen/stategate/stategate_pb.js"
import { type GatewayProcess, startGateway } from "../support/process.ts"

// Messages that are none, and messages with more wrong than an answer has room for.

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(async () => {
  await gateway.stop()
})

const connect = async (type: string, method: string, body: string) => {
  const url = `${gateway.url}/stategate.EntityService/${method}`
  const answer = await fetch(url, { method: "POST", headers: { "content-type": type }, body })
  const { code, details = [] } = (await answer.json()) as { code: string; details?: ReadonlyArray<{ value: string }> }
  const [detail] = details
  const violations =
    detail === undefined ? [] : fromBinary(BadRequestSchema, Buffer.from(detail.value, "base64")).fieldViolations
  return { status: answer.status, code, fields: violations.map(({ field }) => field) }
}

const command = '"set":{"type":"t","key":"k","values":{}}'

test.each([
  ["JSON that is cut short", "application/json", "Set", '{"domain":'],
  ["a number out of range", "application/json", "Set", '{"version":"-1"}'],
  ["JSON too deep", "application/json", "Set", `{"values":${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}}`],
  [
    "a misspelt precondition",
    "application/json",
    "Apply",
    `{"domain":"typo","commands":[{${command},"must_not_exsit":true}]}`
  ],
  ["bytes that are no message", "application/proto", "Set", "zzzz"]
])("%s over Connect is the caller's mistake, by field, and stores nothing", async (_, type, method, body) => {
  const invalid = { status: 400, code: "invalid_argument", fields: ["message"] }
  assert.deepStrictEqual(await connect(type, method, body), invalid)
  const found = await fetch(`${gateway.url}/api/events/search?domain=typo&type=t&limit=1`)
  assert.deepStrictEqual(await found.json(), { events: [] })
})

test("thousands of violations are told in so many as clients can take", async () => {
  const client = createClient(EntityService, createGrpcTransport({ baseUrl: gateway.url }))
  const commands = Array.from({ length: 1000 }, () => ({
    do: { case: "set" as const, value: { type: "a b", key: "" } }
  }))
  const error = ConnectError.from(await client.apply({ domain: "d", commands }).catch((cause) => cause))
  assert.strictEqual(error.code, Code.InvalidArgument)
  assert.strictEqual(error.findDetails(BadRequestSchema)[0]?.fieldViolations.length, violationsMax)
})
