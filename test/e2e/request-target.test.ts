import { once } from "node:events"
import { connect } from "node:http2"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { type GatewayProcess, startGateway } from "../support/process.ts"
import { fetchOver } from "./clients/http2.ts"
import { rawConnection } from "./clients/raw.ts"

// What is served is the path as it was sent: what a proxy in front compared, and let through.

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = await startGateway()
  const secret = `${gateway.url}/api/entity/ref/secret/t/k`
  const headers = { "content-type": "application/json" }
  assert.strictEqual((await fetch(secret, { method: "POST", headers, body: '{"values":{"pin":1}}' })).status, 200)
})
afterAll(() => gateway?.stop())

interface Answered {
  readonly status: number
  readonly head: string
  readonly body: string
}

/** A request over HTTP/1.1 with the target exactly as it is here. */
const ask = async (target: string, method = "GET", host = new URL(gateway.url).host): Promise<Answered> => {
  const { socket, received } = await rawConnection(gateway.url)
  socket.write(`${method} ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\nx-request-id: asked\r\n\r\n`)
  await once(socket, "close")
  const [head = "", body = ""] = received().split(/\r\n\r\n(.*)/s)
  return { status: Number(head.split(" ")[1]), head, body }
}

const ref = "/api/entity/ref"
const paths = [
  "/public/../secret/t/k",
  "/public/%2e%2e/secret/t/k",
  "/public/.%2E/secret/t/k",
  "/public/%2e./secret/t/k",
  "/public/./x/../../secret/t/k",
  "/./secret/t/k",
  "/secret/%2E/t/k",
  "/secret/t/k/.",
  "/secret/t/k/%2e%2e",
  "/public/../../search?domain=secret&type=t&limit=5",
  "/public/%2e%2e/%2e%2e/%2e%2e/events/search?domain=secret&type=t&limit=5",
  "/public\\..\\secret/t/k",
  "/secret\\t/k",
  "//secret/t/k",
  "/secret//t/k",
  "/secret/t/k/",
  "/secret/t/k#",
  "/public/..;/secret/t/k",
  "/public%2f..%2fsecret/t/k",
  "/public/..%2f..%2fsecret%2ft%2fk"
].map((path) => ref + path)

describe("a path reaches nothing that it does not name as it is written", () => {
  test.each([...paths, "/api/%65ntity/ref/secret/t/k", "/API/entity/ref/secret/t/k", `/x/..${ref}/secret/t/k`])(
    "%s",
    async (path) => {
      for (const method of ["GET", "DELETE", "POST"]) {
        const { status, head, body } = await ask(path, method)
        assert.include([400, 404], status, method)
        assert.match(head, /\r\nx-request-id: asked\r\n/i)
        assert.include([3, 5], JSON.parse(body).code)
      }
    }
  )

  test("over HTTP/2, too", async () => {
    const session = connect(gateway.url)
    for (const path of paths) {
      const stream = session.request({ ":path": path })
      stream.on("error", () => {})
      const [head] = await Promise.race([once(stream, "response"), once(stream, "close").then(() => [{}])])
      stream.close()
      // The HTTP/2 layer itself may refuse what is no path.
      assert.include([400, 404, undefined], head[":status"], path)
    }
    session.destroy()
  })

  test("and it is still there, for its own path", async () => {
    const answer = await ask(`${ref}/secret/%74/k`)
    assert.deepInclude(JSON.parse(answer.body), { values: { pin: 1 } })
  })
})

test("an encoded slash stays within its segment", async () => {
  const session = connect(gateway.url)
  const send = fetchOver(session)
  const url = `${gateway.url}${ref}/d/t/a%2F..%2Fb%3Fc%5C`
  const body = '{"values":{}}'
  assert.strictEqual(
    (await send(url, { method: "POST", headers: { "content-type": "application/json" }, body })).status,
    200
  )
  assert.deepInclude(await (await send(url)).json(), { key: "a/../b?c\\" })
  session.destroy()
})

describe("every answer is the gateway's own", () => {
  test.each<[what: string, status: number, code: number, ...Parameters<typeof ask>]>([
    ["a backslash in the path", 400, 3, "/a\\b"],
    ["an absolute ftp target", 400, 3, "ftp://localhost/livez"],
    ["an asterisk for another method", 400, 3, "*", "GET"],
    ["a Host with a port above 65535", 400, 3, "/docs", "GET", "localhost:70000"],
    ["a Host that is none", 400, 3, "/docs", "GET", "a b"],
    ["a Host with a path", 400, 3, "/docs", "GET", "localhost/x"],
    ["another host, within the target", 403, 7, "http://evil.example/docs"],
    ["a target with somebody's password", 400, 3, "http://a:b@localhost/docs"],
    ["a method for which there is nothing", 405, 12, "/api/entity/search", "TRACE"]
  ])("%s", async (_, status, code, ...request) => {
    const answer = await ask(...request)
    assert.strictEqual(answer.status, status)
    assert.match(answer.head, /\r\nx-request-id: asked\r\n/i)
    assert.strictEqual(JSON.parse(answer.body).code, code)
  })

  test("and has its line in the log", async () => {
    const { status } = await ask("/a\\b")
    assert.strictEqual(status, 400)
    const line = await gateway.line(({ callId, method }) => callId === "asked" && method === "unreadable target")
    assert.deepInclude(line, { level: "info", code: "invalid_argument" })
  })

  test("OPTIONS * names the methods", async () => {
    const { status, head } = await ask("*", "OPTIONS")
    assert.strictEqual(status, 204)
    assert.match(head, /\r\nallow: GET, HEAD, POST/i)
    assert.match(head, /\r\nx-request-id: asked\r\n/i)
  })

  test("a target in absolute form is served by its path", async () => {
    assert.strictEqual((await ask(`${gateway.url}/livez`, "GET", "evil.example")).body, "ok\n")
    assert.strictEqual((await ask(`${gateway.url}${ref}/secret/t/k`)).status, 200)
    assert.strictEqual((await ask(`${gateway.url}${ref}/x/../secret/t/k`)).status, 400)
  })
})
