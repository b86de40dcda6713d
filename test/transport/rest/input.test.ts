import { describe, expect, it } from "vitest"
import { eachWithGateway, entity, send, violations } from "./send.ts"

eachWithGateway()

const nested = (depth: number) => `${'{"a":'.repeat(depth - 1)}{}${"}".repeat(depth - 1)}`

it("an INVALID_ARGUMENT, in full", async () => {
  expect(await send("POST", entity, '{"value":{},"version":"x"}')).toEqual({
    status: 400,
    body: {
      code: 3,
      message: "value is unknown; version must be a whole number from 0 to 18446744073709551615",
      details: [
        {
          "@type": "type.googleapis.com/google.rpc.BadRequest",
          fieldViolations: [
            { field: "value", description: "is unknown" },
            { field: "version", description: "must be a whole number from 0 to 18446744073709551615" }
          ]
        }
      ]
    }
  })
})

const wholeRule = "must be a whole number from 0 to 18446744073709551615"
const inexact = "must be sent as a string: JSON numbers of this size are not exact"

describe("a bad body is refused by field, and stores nothing", () => {
  it.each<[body: string, field: string, rule: string]>([
    ["", "values", "is required"],
    ["{}", "values", "is required"],
    ['{"values":null}', "values", "is required"],
    ["{", "body", "must be valid JSON"],
    ["[]", "body", "must be a JSON object"],
    ["null", "body", "must be a JSON object"],
    ['"text"', "body", "must be a JSON object"],
    ["7", "body", "must be a JSON object"],
    ["undefined", "body", "must be valid JSON"],
    ["[".repeat(10_000) + "]".repeat(10_000), "body", "must be a JSON object"],
    ["{".repeat(10_000), "body", "must be valid JSON"],
    [`{"values":${nested(10_000)}}`, "values", "must not nest deeper than 64"],
    [`{"values":${nested(65)}}`, "values", "must not nest deeper than 64"],
    [`{"values":{"a":${"[".repeat(10_000)}${"]".repeat(10_000)}}}`, "values", "must not nest deeper than 64"],
    [`{"key":${nested(10_000)}}`, "key", "must be a string"],
    ['{"values":{"a":1},"values":{"a":2}}', "values", "must not be given twice"],
    ['{"values":{"a":1,"b":[0,{"c":1,"c":1}]}}', "values.b[1].c", "must not be given twice"],
    ['{"values":{"a":1,"\\u0061":2}}', "values.a", "must not be given twice"],
    ['{"values":{"__proto__":1,"__proto__":2}}', "values.__proto__", "must not be given twice"],
    [`{"values":{"a":[${"0,".repeat(131_072)}0]}}`, "body", "must not hold more than 131072 keys and values"],
    ['{"values":{"a":NaN}}', "body", "must be valid JSON"],
    ['{"values":{"a":Infinity}}', "body", "must be valid JSON"],
    ['{"values":{"a":1e999}}', "values.a", "must not be NaN or Infinity"],
    ['{"values":{"a":{"b":[1,true,1e999]}}}', "values.a.b[2]", "must not be NaN or Infinity"],
    ['{"values":{"a":"\\ud800"}}', "values.a", "must be valid Unicode (it has a lone surrogate)"],
    ['{"values":{"\\udc00":1}}', "values", "must have keys of valid Unicode (one has a lone surrogate)"],
    ['{"values":{"a":"\\u0000"}}', "values.a", "must not hold U+0000"],
    ['{"values":[]}', "values", "must be a JSON object"],
    ['{"values":"{}"}', "values", "must be a JSON object"],
    ['{"values":{},"valeus":{}}', "valeus", "is unknown"],
    ['{"values":{},"__proto__":{}}', "__proto__", "is unknown"],
    ['{"values":{},"constructor":{}}', "constructor", "is unknown"],
    ['{"values":{},"":1}', "(empty)", "is unknown"],
    ['{"values":{},"\\ud800":1}', "\ufffd", "is unknown"],
    ['{"values":{},"version":-1}', "version", wholeRule],
    ['{"values":{},"version":1.5}', "version", wholeRule],
    ['{"values":{},"version":"1.0"}', "version", wholeRule],
    ['{"values":{},"version":"0x10"}', "version", wholeRule],
    ['{"values":{},"version":" 1"}', "version", wholeRule],
    ['{"values":{},"version":""}', "version", wholeRule],
    ['{"values":{},"version":true}', "version", wholeRule],
    ['{"values":{},"version":{}}', "version", wholeRule],
    ['{"values":{},"version":"18446744073709551616"}', "version", wholeRule],
    ['{"values":{},"version":9007199254740993}', "version", inexact],
    ['{"values":{},"version":9007199254740992}', "version", inexact],
    ['{"values":{},"version":1e30}', "version", inexact],
    ['{"values":{},"domain":"mall"}', "domain", "must be the same as in the path"],
    ['{"values":{},"key":"8"}', "key", "must be the same as in the path"],
    ['{"values":{},"key":7}', "key", "must be a string"],
    ['{"values":{},"key":"\\ud800"}', "key", "must be valid Unicode"]
  ])("%.60s", async (body, field, rule) => {
    expect(await violations("POST", entity, body)).toEqual([{ field, description: rule }])
  })

  it("bytes that are no UTF-8", async () => {
    const body = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])
    expect(await violations("POST", entity, body)).toEqual([{ field: "body", description: "must be UTF-8" }])
  })

  it("within an Apply, by the place of the command", async () => {
    const apply = (body: unknown) => violations("POST", "/api/entity/apply/shop", JSON.stringify(body))
    expect(await apply({ commands: [{}, { set: { type: "user", key: "1", vals: {} } }] })).toEqual([
      { field: "commands[1].set.vals", description: "is unknown" }
    ])
    expect(await apply({ commands: [{ set: { type: "user", key: "1", values: { a: null } }, del: {} }] })).toEqual([
      { field: "commands[0].del", description: "must not be set together with set" }
    ])
    expect(await apply({ commands: [{ mustNotExist: true, must_not_exist: true }] })).toEqual([
      { field: "commands[0].must_not_exist", description: "must not be given twice" }
    ])
    expect(await apply({ commands: [7] })).toEqual([{ field: "commands[0]", description: "must be a JSON object" }])
    expect(await apply({ commands: {} })).toEqual([{ field: "commands", description: "must be a JSON array" }])
  })

  it("with many mistakes, some of which are listed", async () => {
    const body = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`${"x".repeat(100)}${i}`, i]))
    const found = await violations("POST", entity, JSON.stringify(body))
    expect([found.length, found[0]?.field]).toEqual([32, `${"x".repeat(64)}…`])
  })
})

describe("what is good passes", () => {
  it.each([
    `{"values":${nested(64)}}`,
    '{"values":{"$typeName":"google.protobuf.Struct","__proto__":{"a":1},"toString":null}}',
    '\ufeff{"values":{"a":1}}',
    '{"values":{},"domain":"shop","type":"user","key":"7","version":0}',
    '{"values":{},"domain":"","key":null,"version":"0"}'
  ])("%.60s", async (body) => {
    const { values } = JSON.parse(body.replace("\ufeff", ""))
    expect((await send("POST", entity, body)).status).toBe(200)
    expect(JSON.stringify((await send("GET", entity)).body.values)).toBe(JSON.stringify(values))
  })

  it("a key named __proto__ is a key like any other", async () => {
    expect((await send("POST", entity, '{"values":{"__proto__":{"a":1},"b":{"__proto__":2}}}')).status).toBe(200)
    expect(JSON.stringify((await send("GET", entity)).body.values)).toBe('{"__proto__":{"a":1},"b":{"__proto__":2}}')
  })

  it("the same key in different objects", async () => {
    expect((await send("POST", entity, '{"values":{"a":{"a":1},"b":[{"a":1},{"a":2}]}}')).status).toBe(200)
  })
})

describe("a bad path or query is refused by field", () => {
  const utf8 = "must be percent-encoded UTF-8"
  const search = "/api/entity/search?domain=shop&type=user&limit=1"
  it.each<[method: string, path: string, field: string, rule: string]>([
    ["GET", "/api/entity/ref/shop/user/%zz", "key", utf8],
    ["GET", "/api/entity/ref/shop/%ff/7", "type", utf8],
    ["GET", "/api/entity/ref/%c3%28/user/7", "domain", utf8],
    ["GET", "/api/entity/ref/shop/user/%", "key", utf8],
    ["GET", "/api/entity/ref/shop/user/%ed%a0%80", "key", utf8],
    ["GET", `${entity}?version=abc`, "version", wholeRule],
    ["GET", `${entity}?version=`, "version", wholeRule],
    ["GET", `${entity}?version=1&version=2`, "version", "must not be given twice"],
    ["GET", `${entity}?key=8`, "key", "must be the same as in the path"],
    ["GET", `${entity}?access_token=x`, "access_token", "is unknown"],
    ["GET", `${entity}?%zz=1`, "%zz", utf8],
    ["GET", `${entity}?time=%zz`, "time", utf8],
    ["POST", `${entity}?version=1`, "version", "must be in the body: this call has no query parameters"],
    ["GET", `${search}&limit=2`, "limit", "must not be given twice"],
    ["GET", `${search}&offset=2147483648`, "offset", "must be a whole number from -2147483648 to 2147483647"],
    ["GET", `${search}&offset=1.5`, "offset", "must be a whole number from -2147483648 to 2147483647"],
    ["GET", `${search}&sort=a`, "sort", "cannot be a query parameter by itself"],
    ["GET", `${search}&sort.fields=a`, "sort.fields", "is unknown"],
    ["GET", `${search}&sort.field.x=a`, "sort.field.x", "is unknown"],
    ["GET", `${search}&sort.reverse=yes`, "sort.reverse", "must be true or false"],
    ["GET", `${search}&query_string={}&queryString={}`, "query_string", "must not be given twice"],
    ["GET", `${search}&__proto__.a=1`, "__proto__", "is unknown"],
    ["GET", "/api/events/stream?domain=*&type=*&after=x&since=1", "since", "must not be set together with after"]
  ])("%s %s", async (method, path, field, rule) => {
    const init = method === "POST" ? '{"values":{}}' : undefined
    expect(await violations(method, path, init)).toEqual([{ field, description: rule }])
  })
})
