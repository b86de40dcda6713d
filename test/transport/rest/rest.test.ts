import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { restApp } from "../../../adapters/transport/rest/app.ts"
import { type Gateway, startGateway } from "../../support/gateway.ts"

let gateway: Gateway
let app: ReturnType<typeof restApp>

beforeEach(async () => {
  gateway = await startGateway()
  app = restApp(gateway.gate)
})
afterEach(() => gateway.close())

const json = { "content-type": "application/json" }

const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
  const init = body === undefined ? { headers } : { headers: { ...json, ...headers }, body: JSON.stringify(body) }
  const answer = await app.request(path, { method, ...init })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, text, body: text === "" ? undefined : JSON.parse(text) }
}

const user = "/api/entity/ref/shop/user/7"
const set = (values: object, headers: Record<string, string> = {}, path = user) =>
  call("POST", path, { values }, headers)

describe("every call", () => {
  it("Set answers {} and the receipt", async () => {
    const { status, body, headers } = await set({ name: "anna" })
    expect([status, body]).toEqual([200, {}])
    expect(headers.get("etag")).toBe('"1"')
    expect(headers.get("stategate-version")).toBe("1")
    expect(headers.get("stategate-position")).toBe("1")
    expect(headers.get("stategate-time")).toMatch(/^\d{19}$/)
    expect(headers.get("stategate-event-id")).toMatch(/^[0-9a-f-]{36}$/)
    expect(headers.get("cache-control")).toBe("no-store")
    expect(headers.get("content-type")).toBe("application/json")
  })

  it("Get answers the entity, its 64-bit numbers as strings, for its caller alone", async () => {
    await set({ name: "anna" })
    const { status, body, headers } = await call("GET", user)
    expect(status).toBe(200)
    expect(body).toEqual({ domain: "shop", type: "user", key: "7", values: { name: "anna" }, version: "1" })
    expect(headers.get("etag")).toBe('"1"')
    expect(headers.get("cache-control")).toBe("private, no-cache")
    expect(headers.get("vary")).toBe("authorization")
    expect(headers.get("x-content-type-options")).toBe("nosniff")
  })

  it("Edit, Revert and Del", async () => {
    const first = (await set({ a: 1, b: 1 })).headers.get("stategate-event-id")
    expect((await call("PATCH", user, { values: { b: 2 } })).body).toMatchObject({
      values: { a: 1, b: 2 },
      version: "2"
    })
    expect((await call("PUT", `${user}/revert`, { id: first })).body).toMatchObject({
      values: { a: 1, b: 1 },
      version: "3"
    })
    expect((await call("DELETE", `${user}?version=2`)).status).toBe(409)
    const gone = await call("DELETE", `${user}?version=3`)
    expect([gone.status, gone.body, gone.headers.get("etag")]).toEqual([200, {}, '"4"'])
    expect((await call("GET", user)).status).toBe(404)
    expect((await call("GET", `${user}?version=2`)).body).toMatchObject({ values: { a: 1, b: 2 } })
  })

  it("Apply does all commands, and names the one that it rejects", async () => {
    const command = (key: string) => ({ set: { type: "user", key, values: {} }, must_not_exist: true })
    const done = await call("POST", "/api/entity/apply/shop", { commands: [command("1"), command("2")] })
    expect(done.body.events.map((event: { position: string }) => event.position)).toEqual(["1", "2"])
    const again = await call("POST", "/api/entity/apply/shop", { commands: [command("3"), command("2")] })
    expect([again.status, again.body.message.startsWith("commands[1]: ")]).toEqual([409, true])
    expect(await gateway.events("shop")).toBe(2)
  })

  it("both searches, with nested and either name of a parameter", async () => {
    for (const [key, n] of Object.entries({ a: 2, b: 3, c: 1 })) {
      await set({ n }, {}, `/api/entity/ref/shop/user/${key}`)
    }
    const keys = async (query: string) =>
      (await call("GET", `/api/entity/search?domain=shop&type=user&limit=10&${query}`)).body.entities.map(
        ({ key }: { key: string }) => key
      )
    expect(await keys("sort.field=n&sort.reverse=true")).toEqual(["b", "a", "c"])
    expect(await keys("query_string=%7B%22n%22%3A2%7D")).toEqual(["a"])
    expect(await keys("queryString={%22n%22:+2}&offset=0")).toEqual(["a"])
    expect(await keys('query_string={"n":{"$gt":5}}')).toEqual([])
    const events = await call("GET", "/api/events/search?domain=shop&type=user&limit=1&min=0&max=9223372036854775807")
    const [event] = events.body.events
    expect(event).toMatchObject({ position: "1", method: "/stategate.EntityService/Set", entity: { key: "a" } })
    expect((await call("GET", `/api/events/ref/shop/user/a/${event.id}`)).body).toEqual(event)
  })

  it("leaves a record of each, whether it succeeded, failed or could not be read", async () => {
    await set({ n: 1 }, { "x-request-id": "call-1" })
    await call("GET", "/api/entity/ref/shop/user/none")
    await call("GET", "/api/entity/search?limit=x")
    await call("GET", "/api/nothing")
    expect(gateway.records.map(({ method, protocol, code }) => [method, protocol, code])).toEqual([
      ["/stategate.EntityService/Set", "rest", "ok"],
      ["/stategate.EntityService/Get", "rest", "not_found"],
      ["/stategate.EntityService/Search", "rest", "invalid_argument"],
      ["unmatched", "rest", "not_found"]
    ])
    expect(gateway.records[0]?.callId).toBe("call-1")
  })

  it("carries the id of the call", async () => {
    expect((await set({}, { "x-request-id": "abc-1" })).headers.get("x-request-id")).toBe("abc-1")
    expect((await set({}, { "x-request-id": "a b" })).headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/)
    expect((await call("GET", "/nothing")).headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/)
  })

  it("takes headers that matter on to the use case: a retry makes no second event", async () => {
    const first = await set({ n: 1 }, { "idempotency-key": "k1" })
    const second = await set({ n: 1 }, { "idempotency-key": "k1" })
    expect(second.headers.get("stategate-replayed")).toBe("true")
    expect(second.headers.get("stategate-event-id")).toBe(first.headers.get("stategate-event-id"))
    expect((await set({ n: 2 }, { "idempotency-key": "k1" })).status).toBe(422)
    expect(await gateway.events("shop")).toBe(1)
  })
})

describe("conditions", () => {
  it("a change that names another version fails with 409, from a header with 412", async () => {
    await set({ n: 1 })
    const conflict = await call("POST", user, { values: {}, version: "7" })
    expect(conflict.status).toBe(409)
    expect(conflict.headers.get("stategate-version")).toBe("1")
    expect(conflict.body.details).toEqual([
      {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        reason: "VERSION_MISMATCH",
        domain: "stategate",
        metadata: { current_version: "1" }
      }
    ])
    expect((await set({}, { "if-match": '"7"' })).status).toBe(412)
    expect((await set({}, { "if-none-match": "*" })).status).toBe(412)
    expect((await set({}, { "if-match": 'W/"1"' })).status).toBe(200)
  })

  it.each(['"1"', 'W/"1"', '"5", "1"', "*"])(
    "a read that knows the entity already (%s) is answered 304",
    async (tag) => {
      await set({ n: 1 })
      const { status, text, headers } = await call("GET", user, undefined, { "if-none-match": tag })
      expect([status, text, headers.get("etag")]).toEqual([304, "", '"1"'])
      expect(headers.get("cache-control")).toBe("private, no-cache")
      expect(headers.get("content-type")).toBeNull()
    }
  )

  it.each(['"2"', "1", '""', '"11"', ""])("a read that knows another (%s) is answered in full", async (tag) => {
    await set({ n: 1 })
    expect((await call("GET", user, undefined, { "if-none-match": tag })).status).toBe(200)
  })

  it("a past state has no tag, so nothing is compared with it", async () => {
    await set({ n: 1 })
    const { status, headers } = await call("GET", `${user}?version=1`, undefined, { "if-none-match": "*" })
    expect([status, headers.get("etag")]).toEqual([200, null])
  })
})

describe("paths and methods", () => {
  it.each(["a%2Fb", "%C3%A4", "100%25", "a+b", "a%2520", "%F0%9F%92%A5", ":x", "a;b=c", "%23%3F"])(
    "the key %s is decoded once",
    async (key) => {
      expect((await set({}, {}, `/api/entity/ref/shop/user/${key}`)).status).toBe(200)
      expect((await call("GET", `/api/entity/ref/shop/user/${key}`)).body.key).toBe(decodeURIComponent(key))
    }
  )

  it.each(["/", "/api", "/api/entity/ref/shop/user", `${user}/`, "/api/entity/ref/shop//7", "/API/entity/search"])(
    "there is nothing at %s",
    async (path) => {
      const { status, body } = await call("GET", path)
      expect([status, body]).toEqual([404, { code: 5, message: "there is nothing at this path", details: [] }])
    }
  )

  it("another method on a path is told which ones work", async () => {
    const { status, body, headers } = await call("PUT", user, {})
    expect([status, body.code]).toEqual([405, 12])
    expect(headers.get("allow")).toBe("POST, PATCH, GET, HEAD, DELETE, OPTIONS")
    const options = await call("OPTIONS", user)
    expect([options.status, options.headers.get("allow")]).toEqual([204, "POST, PATCH, GET, HEAD, DELETE, OPTIONS"])
    expect((await call("HEAD", "/api/entity/apply/shop")).status).toBe(405)
  })

  it("HEAD is GET without a body", async () => {
    await set({ n: 1 })
    const { status, text, headers } = await call("HEAD", user)
    expect([status, text, headers.get("etag")]).toEqual([200, "", '"1"'])
  })
})
