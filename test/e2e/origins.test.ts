import { once } from "node:events"
import { createServer, type Server } from "node:http"
import type { Page } from "playwright-core"
import { afterEach, assert, describe, test } from "vitest"
import { chromiumNeeded, gatewaysFor, withBrowser } from "./clients/browser.ts"
import { restClient } from "./clients/rest.ts"

// Which pages may call a gateway is decided by browsers, from the headers that it sends: so a browser is asked.

describe("a page of another origin", chromiumNeeded.options, () => {
  const browser = withBrowser()
  const start = gatewaysFor(browser)

  const open = async (url: string) => {
    const page = await (await browser().newContext()).newPage()
    await page.goto(url)
    return page
  }

  const servers: Array<Server> = []
  const origin = async () => {
    const server = createServer((_, response) => {
      response.setHeader("content-type", "text/html")
      response.end("<!doctype html><title>elsewhere</title>")
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    servers.push(server)
    return `http://127.0.0.1:${(server.address() as { readonly port: number }).port}`
  }
  afterEach(() => {
    for (const server of servers.splice(0)) server.close().closeAllConnections()
  })

  /** What such a page does with fetch, with EventSource and as connect-web and gRPC-web do; how each went. */
  const attempts = (page: Page, url: string, key: string) =>
    page.evaluate(
      async ([gateway, name]) => {
        const tried = async (attempt: () => Promise<string>) => attempt().catch((error) => (error as Error).name)
        const call = (path: string, init: RequestInit) =>
          fetch(gateway + path, { ...init, signal: AbortSignal.timeout(20_000) })
        const json = { "content-type": "application/json" }
        const entity = { domain: "cors", type: "t", key: name, values: {} }
        const connect = { ...json, "connect-protocol-version": "1", "connect-timeout-ms": "5000" }
        return {
          rest: await tried(async () => {
            const headers = { ...json, "idempotency-key": `once-${name}`, "x-request-id": "mine" }
            const path = `/api/entity/ref/cors/t/${name}`
            const answer = await call(path, { method: "POST", headers, body: '{"values":{}}' })
            const read = ["stategate-version", "x-request-id", "etag"].map((header) => answer.headers.get(header))
            return [answer.status, ...read].join(" ")
          }),
          restError: await tried(async () => {
            const answer = await call("/api/entity/ref/cors/t/absent", { headers: { "if-none-match": '"1"' } })
            return `${answer.status} ${(await answer.json()).code}`
          }),
          del: await tried(async () => {
            const answer = await call(`/api/entity/ref/cors/t/absent`, { method: "DELETE" })
            return String(answer.status)
          }),
          connect: await tried(async () => {
            const body = JSON.stringify(entity)
            const answer = await call("/stategate.EntityService/Set", { method: "POST", headers: connect, body })
            return `${answer.status} ${answer.headers.get("stategate-version")}`
          }),
          connectError: await tried(async () => {
            const init = { method: "POST", headers: connect, body: "{}" }
            return (await (await call("/stategate.EntityService/Set", init)).json()).code
          }),
          grpcWeb: await tried(async () => {
            const headers = {
              "content-type": "application/grpc-web+proto",
              "x-grpc-web": "1",
              "x-user-agent": "test"
            }
            const init = { method: "POST", headers, body: new Uint8Array(5) }
            const answer = await call("/stategate.EntityService/Get", init)
            const text = await answer.text()
            return `grpc-status ${answer.headers.get("grpc-status") ?? /grpc-status: ?(\d+)/.exec(text)?.[1]}`
          }),
          events: await tried(
            () =>
              new Promise((resolve, reject) => {
                const source = new EventSource(`${gateway}/api/events/stream?domain=cors&type=*`)
                source.onopen = () => {
                  source.close()
                  resolve("open")
                }
                source.onerror = () => {
                  source.close()
                  reject(new TypeError("refused"))
                }
              })
          )
        }
      },
      [url, key] as const
    )

  test("lets in the origins that were allowed, and no others", async () => {
    const [friend, stranger] = [await origin(), await origin()]
    const gateway = await start({ STATEGATE_CORS_ORIGINS: `https://app.example,${friend}` })
    const visit = async (from: string, key: string) => attempts(await open(from), gateway.url, key)
    assert.deepStrictEqual(await visit(friend, "friend"), {
      rest: '200 1 mine "1"',
      restError: "404 5",
      del: "404",
      connect: "200 2",
      connectError: "invalid_argument",
      grpcWeb: "grpc-status 3",
      events: "open"
    })
    const refused = Object.fromEntries(
      ["rest", "restError", "del", "connect", "connectError", "grpcWeb", "events"].map((name) => [name, "TypeError"])
    )
    assert.deepStrictEqual(await visit(stranger, "stranger"), refused)
    const stored = await restClient(gateway.url).call("EntityService/Search", {
      domain: "cors",
      type: "t",
      limit: 10
    })
    assert.deepStrictEqual(
      stored.message.entities?.map(({ key }) => key),
      ["friend"]
    )
  })

  test("lets in nobody when none was allowed", async () => {
    const gateway = await start({})
    const tried = await attempts(await open(await origin()), gateway.url, "k")
    assert.deepStrictEqual([...new Set(Object.values(tried))], ["TypeError"])
  })
})
