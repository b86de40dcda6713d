import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { type GatewayProcess, startGateway } from "../support/process.ts"
import { refusal, type StateClient, type Values, within } from "./clients/client.ts"
import { connectClient } from "./clients/connect.ts"
import { assertNothingStored } from "./clients/nothing.ts"
import { restClient } from "./clients/rest.ts"

// What clients get wrong, on purpose or not. Each mistake is answered with its name, and nothing is stored.

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway?.stop())

const domain = "d"
const ref = { domain, type: "t", key: "k" }
const search = { domain, type: "t", limit: 10 }

interface Mistake {
  readonly call: Parameters<StateClient["call"]>[0]
  readonly message: Values
  readonly fields: ReadonlyArray<string>
  /** In REST an empty segment of a path is another path. */
  readonly rest?: false
}

const mistakes: Readonly<Record<string, Mistake>> = {
  "no names at all": {
    call: "EntityService/Set",
    message: { values: {} },
    fields: ["domain", "type", "key"],
    rest: false
  },
  "a name with a line break": {
    call: "EntityService/Set",
    message: { ...ref, key: "a\nb", values: {} },
    fields: ["key"]
  },
  "a name that is too long": {
    call: "EntityService/Set",
    message: { ...ref, type: "é".repeat(128), values: {} },
    fields: ["type"]
  },
  "a name of a megabyte": {
    call: "EntityService/Get",
    message: { ...ref, domain: "x".repeat(1_000_000) },
    fields: ["domain"],
    rest: false
  },
  "no values": { call: "EntityService/Set", message: ref, fields: ["values"] },
  "values with U+0000": {
    call: "EntityService/Edit",
    message: { ...ref, values: { a: ["\0"] } },
    fields: ["values.a[0]"]
  },
  "values of more than 1 MiB": {
    call: "EntityService/Set",
    message: { ...ref, values: { a: "x".repeat(1024 * 1024) } },
    fields: ["values"]
  },
  "an id that is no UUID": { call: "EntityService/Revert", message: { ...ref, id: "1-2-3" }, fields: ["id"] },
  "an id that is another kind of UUID": {
    call: "EventService/Get",
    message: { ...ref, id: "01890a5d-ac96-774b-bcce-b302099a8057" },
    fields: ["id"]
  },
  "a limit of zero": { call: "EntityService/Search", message: { ...search, limit: 0 }, fields: ["limit"] },
  "a page out of bounds": {
    call: "EventService/Search",
    message: { ...search, limit: 1001, offset: -1, min: "-5" },
    fields: ["limit", "offset", "min"]
  },
  "a filter that is code": {
    call: "EntityService/Search",
    message: { ...search, queryString: '{"$where":"sleep(1000)"}' },
    fields: ["query_string"]
  },
  "an operator that is unknown": {
    call: "EntityService/Search",
    message: { ...search, queryString: '{"a":{"$regex":"(a+)+$"}}' },
    fields: ["query_string"]
  },
  "a filter that is no JSON": {
    call: "EventService/Search",
    message: { ...search, queryString: "{a:1}" },
    fields: ["query_string"]
  },
  "a filter 10,000 levels deep": {
    call: "EntityService/Search",
    message: { ...search, queryString: `${'{"$not":'.repeat(700)}{}${"}".repeat(700)}` },
    fields: ["query_string"]
  },
  "time and version together": {
    call: "EntityService/Get",
    message: { ...ref, version: "1", time: "1" },
    fields: ["time"]
  },
  "a time on Del": { call: "EntityService/Del", message: { ...ref, time: "1" }, fields: ["time"] },
  "an Apply of nothing": { call: "EntityService/Apply", message: { domain }, fields: ["commands"] },
  "an Apply with mistakes inside": {
    call: "EntityService/Apply",
    message: {
      domain,
      commands: [{ set: { type: "t", key: "ok", values: {} } }, {}, { del: { type: "t", key: "." } }]
    },
    fields: ["commands[1].do", "commands[2].del.key"]
  }
}

/** Globs that no name can match. */
const impossible = ["a b", " ", "a\tb", "*\0", "\0", "[ ]", ".", "..", "?".repeat(256)]

const faces: Readonly<Record<string, () => StateClient>> = {
  gRPC: () => connectClient(createGrpcTransport({ baseUrl: gateway.url })),
  Connect: () => connectClient(createConnectTransport({ baseUrl: gateway.url, httpVersion: "1.1" })),
  "Connect with JSON": () =>
    connectClient(createConnectTransport({ baseUrl: gateway.url, httpVersion: "2", useBinaryFormat: false })),
  REST: () => restClient(gateway.url),
  SSE: () => restClient(gateway.url, { accept: "text/event-stream" })
}

describe.each(Object.keys(faces))("%s", (face) => {
  test("names each field that is wrong", async () => {
    const client = faces[face]!()
    for (const [what, { call, message, fields, rest }] of Object.entries(mistakes)) {
      if (["REST", "SSE"].includes(face) && rest === false) continue
      const refused = await refusal(within(client.call(call, message), `the answer to ${what}`))
      assert.strictEqual(refused.code, "INVALID_ARGUMENT", what)
      assert.deepStrictEqual(
        refused.violations.map(({ field }) => field),
        fields,
        what
      )
      for (const { description } of refused.violations) assert.isAbove(description.length, 5, what)
    }
    await assertNothingStored(gateway.url)
  })

  test("refuses streams for names that cannot be", async () => {
    const client = faces[face]!()
    for (const field of ["domain", "type", "key"]) {
      for (const glob of impossible) {
        // Over Connect a stream that is refused has begun.
        const opened = client.stream({ domain: "*", type: "*", [field]: glob }).then((stream) => stream.next())
        const refused = await refusal(within(opened, `the answer to ${JSON.stringify(glob)}`))
        assert.strictEqual(refused.code, "INVALID_ARGUMENT", JSON.stringify(glob))
        assert.deepStrictEqual(
          refused.violations.map((violation) => violation.field),
          [field]
        )
      }
    }
  })
})

test("the log stays short, whatever was sent", () => {
  for (const line of gateway.log) assert.isAtMost(JSON.stringify(line).length, 2000)
})
