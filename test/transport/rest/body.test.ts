import { describe, expect, it } from "vitest"
import { requestBytesMax } from "../../../application/limits.ts"
import { eachWithGateway, entity, json, nothingIsStored, send, violations } from "./send.ts"

eachWithGateway()

describe("a body that is too large", () => {
  const rule = [{ field: "body", description: `must be at most ${requestBytesMax} bytes` }]

  it("of 10 MB is refused by what it announces", async () => {
    const body = JSON.stringify({ values: { a: "x".repeat(10_000_000) } })
    expect(await violations("POST", entity, body, { ...json, "content-length": String(body.length) })).toEqual(rule)
    expect(await violations("POST", entity, body)).toEqual(rule)
  })

  it("is not read at all if it says so itself", async () => {
    const never = new ReadableStream({ pull: () => Promise.reject(new Error("was read")) }, { highWaterMark: 0 })
    expect(await violations("POST", entity, never, { ...json, "content-length": "5000000" })).toEqual(rule)
  })

  it("is not read to its end, which may not exist", async () => {
    let chunks = 0
    let canceled = false
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        chunks += 1
        controller.enqueue(new Uint8Array(65_536).fill(0x20))
      },
      cancel: () => {
        canceled = true
      }
    })
    expect(await violations("POST", entity, endless)).toEqual(rule)
    expect([chunks < 100, canceled]).toEqual([true, true])
  })

  it("a sender that fails on the way is not the fault of the gateway", async () => {
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) })
    expect((await send("POST", entity, broken)).status).toBe(499)
  })
})

describe("content types", () => {
  it.each([
    "application/json",
    "application/json;",
    "application/json ; ; charset=utf-8 ;",
    "application/json; charset=utf-8",
    'application/json; profile="a \\"b\\"; c"; charset=utf8',
    'Application/JSON;charset="UTF-8"'
  ])("%s is JSON", async (type) => {
    expect((await send("POST", entity, '{"values":{}}', { "content-type": type })).status).toBe(200)
  })

  it.each(["application/json; charset=latin1", 'application/json; charset="utf-16"', "application/json;charset=x;a=b"])(
    "%s is refused with 415, for its charset",
    async (type) => {
      const { status, body } = await send("POST", entity, '{"values":{}}', { "content-type": type })
      expect([status, body.message]).toEqual([415, "the charset of a request body must be utf-8, which JSON is anyway"])
      await nothingIsStored()
    }
  )

  it.each(["text/plain", "application/x-www-form-urlencoded", "application/json; charset", "application/jsonx", ";"])(
    "%s is refused with 415",
    async (type) => {
      const { status, body } = await send("POST", entity, '{"values":{}}', { "content-type": type })
      expect([status, body]).toEqual([
        415,
        { code: 3, message: "the content-type of a request body must be application/json", details: [] }
      ])
      await nothingIsStored()
    }
  )

  it("a wrong type is refused even without a body", async () => {
    expect((await send("POST", entity, undefined, { "content-type": "text/plain" })).status).toBe(415)
  })

  it("a body without a type is refused, no body without a type is {}", async () => {
    expect((await send("POST", entity, new TextEncoder().encode("{}"), {})).status).toBe(415)
    expect(await violations("POST", entity, undefined, {})).toEqual([{ field: "values", description: "is required" }])
  })

  it("compressed bodies are refused, not misread", async () => {
    expect((await send("POST", entity, "{}", { ...json, "content-encoding": "gzip" })).status).toBe(415)
  })

  it("a body where none belongs is refused", async () => {
    expect(await violations("DELETE", entity, '{"version":"3"}')).toEqual([
      { field: "body", description: "must be empty: all fields of this call are in the path and the query" }
    ])
  })
})
