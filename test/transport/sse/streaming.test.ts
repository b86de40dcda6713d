import { it as effectIt } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { Gate } from "../../../adapters/transport/call/gate.ts"
import { restApp } from "../../../adapters/transport/rest/app.ts"
import type { CallRecord } from "../../../application/telemetry.ts"
import { type Gateway, gatewayLayer, startGateway } from "../../support/gateway.ts"

let gateway: Gateway
let app: ReturnType<typeof restApp>

beforeEach(async () => {
  gateway = await startGateway()
  app = restApp(gateway.gate)
})
afterEach(() => gateway.close())

const path = "/api/events/stream?domain=shop&type=*"
const sse = { accept: "text/event-stream" }

const set = async (key: string, values: object = {}) => {
  const headers = { "content-type": "application/json" }
  const body = JSON.stringify({ values })
  expect((await app.request(`/api/entity/ref/shop/user/${key}`, { method: "POST", headers, body })).status).toBe(200)
}

/** Reads an answer piece by piece, as they were written. */
const pieces = (answer: Response) => {
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
  return {
    next: async () => (await reader.read()).value,
    cancel: () => reader.cancel()
  }
}

const finished = async (code: string): Promise<CallRecord> => {
  for (let i = 0; i < 200; i++) {
    const found = gateway.records.find((record) => record.method.endsWith("/Stream") && record.code === code)
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`no stream ended as ${code}`)
}

describe("lines of JSON", () => {
  it("are the default; the headers come before any event", async () => {
    const answer = await app.request(path)
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/x-ndjson"])
    expect(answer.headers.get("stategate-cursor")).toMatch(/^[\w-]+$/)
    expect(answer.headers.get("cache-control")).toBe("no-cache, no-transform")
    const { next, cancel } = pieces(answer)
    await set("1", { text: "two\nlines\u2028" })
    const line = (await next())!
    expect(line.endsWith("\n") && line.indexOf("\n") === line.length - 1).toBe(true)
    expect(JSON.parse(line)).toMatchObject({
      result: { position: "1", entity: { key: "1", values: { text: "two\nlines\u2028" } }, cursor: expect.any(String) }
    })
    await cancel()
    expect(await finished("canceled")).toMatchObject({ protocol: "ndjson", sent: 1 })
  })

  it("end with the status of what went wrong", async () => {
    const { next } = pieces(await app.request(path))
    await gateway.drain()
    expect(JSON.parse((await next())!)).toEqual({
      error: {
        code: 14,
        message: "the gateway is shutting down; open the stream again with its last cursor",
        details: []
      }
    })
    expect(await next()).toBeUndefined()
    // What goes on at another gateway is no failure of this one.
    expect(await finished("ok")).toMatchObject({ protocol: "ndjson", drained: true })
    await app.request(path)
    expect(await finished("unavailable")).toMatchObject({ drained: true, sent: 0 })
  })
})

describe("server-sent events", () => {
  it("begin with the cursor of the start, and carry that of each event", async () => {
    const answer = await app.request(path, { headers: sse })
    const start = answer.headers.get("stategate-cursor")
    expect(answer.headers.get("content-type")).toBe("text/event-stream")
    expect(answer.headers.get("cache-control")).toBe("no-cache, no-transform")
    expect(answer.headers.get("x-accel-buffering")).toBe("no")
    for (const name of ["transfer-encoding", "connection", "keep-alive"]) expect(answer.headers.has(name)).toBe(false)
    const { next, cancel } = pieces(answer)
    expect(await next()).toBe(`retry: 2000\nid: ${start}\n\n`)
    await set("1", { text: "two\nlines" })
    const [, id, data] = /^id: ([\w-]+)\ndata: (.*)\n\n$/.exec((await next())!) ?? []
    expect(JSON.parse(data!)).toMatchObject({ position: "1", cursor: id })
    await cancel()
    expect(await finished("canceled")).toMatchObject({ protocol: "sse", sent: 1 })
  })

  it("go on after Last-Event-ID, whatever the URL says", async () => {
    await set("1")
    const { next, cancel } = pieces(await app.request(`${path}&beginning=true`, { headers: sse }))
    await next()
    const [, id] = /^id: (.*)$/m.exec((await next())!) ?? []
    await cancel()
    await set("2")
    const again = await app.request(`${path}&beginning=true`, { headers: { ...sse, "last-event-id": id! } })
    const resumed = pieces(again)
    expect(await resumed.next()).toBe(`retry: 2000\nid: ${id}\n\n`)
    expect(await resumed.next()).toContain('"position":"2"')
    await resumed.cancel()
  })

  it("just end when the gateway goes, so that the browser finds another", async () => {
    const { next } = pieces(await app.request(path, { headers: sse }))
    await next()
    await gateway.drain()
    expect(await next()).toBeUndefined()
    await finished("ok")
  })

  it.each<[accept: string, type: string]>([
    ["text/event-stream", "text/event-stream"],
    ["text/event-stream, */*;q=0.1", "text/event-stream"],
    ["Text/Event-Stream; q=0.5, application/json;q=0.2", "text/event-stream"],
    ["application/x-ndjson, text/event-stream;q=0.5", "application/x-ndjson"],
    ["text/event-stream;q=0", "application/x-ndjson"],
    ["text/event-stream;q=x", "application/x-ndjson"],
    ["*/*", "application/x-ndjson"],
    ["", "application/x-ndjson"]
  ])("are for those who ask for them: %s", async (accept, type) => {
    const answer = await app.request(path, { headers: { accept } })
    expect(answer.headers.get("content-type")).toBe(type)
    expect(answer.headers.get("vary")).toBe("accept, authorization")
    await answer.body!.cancel()
  })
})

describe("a stream", () => {
  it.each([{}, sse])("that cannot start is an ordinary failure (%o)", async (headers: Record<string, string>) => {
    const answer = await app.request("/api/events/stream?domain=&type=*", { headers })
    expect([answer.status, answer.headers.get("content-type")]).toEqual([400, "application/json"])
    const body = (await answer.json()) as { details: Array<{ fieldViolations: unknown }> }
    expect(body.details[0]?.fieldViolations).toEqual([
      { field: "domain", description: "must not be empty; * matches everything" }
    ])
  })

  it("closes when nobody reads it, before its first event and between two", async () => {
    const unread = await app.request(path)
    await unread.body!.cancel()
    expect(await finished("canceled")).toMatchObject({ sent: 0 })
    const abort = new AbortController()
    const answer = await app.request(new Request(`http://localhost${path}&beginning=true`, { signal: abort.signal }))
    for (const key of ["1", "2", "3"]) await set(key)
    const lines = pieces(answer)
    expect(await lines.next()).toContain('"position":"1"')
    const before = gateway.records.length
    abort.abort()
    expect(await lines.next()).toBeUndefined()
    for (let i = 0; i < 100 && gateway.records.length === before; i++) await new Promise((r) => setTimeout(r, 5))
    expect(gateway.records.at(-1)).toMatchObject({ code: "canceled" })
  })

  it("says nothing to whoever has gone while it was silent", async () => {
    const abort = new AbortController()
    const { next } = pieces(await app.request(new Request(`http://localhost${path}`, { signal: abort.signal })))
    const last = next()
    await new Promise((resolve) => setTimeout(resolve, 5))
    abort.abort()
    expect(await last).toBeUndefined()
    await finished("canceled")
  })

  it("takes an empty start for none: what a form leaves out says nothing", async () => {
    await set("1")
    const { next, cancel } = pieces(await app.request(`${path}&after=&since=0&beginning=true`))
    expect(await next()).toContain('"position":"1"')
    await cancel()
  })

  it("has cursors of its own, whatever others were told of the same event", async () => {
    const open = async (type: string) => pieces(await app.request(`/api/events/stream?domain=shop&type=${type}`))
    const streams = [await open("user"), await open("*"), await open("user")]
    await set("1")
    const told = await Promise.all(streams.map(async ({ next }) => JSON.parse((await next())!)))
    expect(told[2]).toEqual(told[0])
    expect(told[1].result).toEqual({ ...told[0].result, cursor: expect.any(String) })
    expect(told[1].result.cursor).not.toBe(told[0].result.cursor)
    for (const { cancel } of streams) await cancel()
  })

  it("asked for by HEAD has headers, and is closed", async () => {
    const answer = await app.request(path, { method: "HEAD", headers: sse })
    expect([answer.status, answer.headers.get("content-type"), await answer.text()]).toEqual([
      200,
      "text/event-stream",
      ""
    ])
    await finished("canceled")
  })

  it("fetches nothing for a reader that does not read", async () => {
    const answer = await app.request(`${path}&beginning=true`)
    for (let i = 0; i < 50; i++) await set(String(i))
    await new Promise((resolve) => setTimeout(resolve, 20))
    const { next, cancel } = pieces(answer)
    expect(await next()).toContain('"position":"1"')
    await cancel()
    expect((await finished("canceled")).sent).toBeLessThan(5)
  })
})

effectIt.effect("a silence is broken by word of where the stream stands, on SSE or when asked for", () =>
  Effect.gen(function* () {
    const quiet = restApp(yield* Gate)
    const open = (url: string, headers: Record<string, string>) =>
      Effect.map(
        Effect.promise(async () => quiet.request(url, { headers })),
        pieces
      )
    const events = yield* open(path, sse)
    const lines = yield* open(`${path}&progress=true`, {})
    const silent = yield* open(path, {})
    const start = yield* Effect.promise(events.next)
    const [, id] = /^id: (.*)$/m.exec(start!) ?? []
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
    let spoke = false
    const nothing = silent.next().then(() => {
      spoke = true
    })
    yield* TestClock.adjust("16 seconds")
    expect(yield* Effect.promise(events.next)).toBe(`: heartbeat\nid: ${id}\n\n`)
    expect(JSON.parse((yield* Effect.promise(lines.next))!)).toEqual({ result: { cursor: id } })
    expect(spoke).toBe(false)
    yield* Effect.promise(() => Promise.all([events.cancel(), lines.cancel(), silent.cancel(), nothing]))
  }).pipe(Effect.provide(gatewayLayer([])), Effect.scoped)
)
