import { readFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { chromiumNeeded, gatewaysFor, withBrowser } from "../e2e/clients/browser.ts"

const html = readFileSync(new URL("../../examples/live.html", import.meta.url))

describe("the live list", chromiumNeeded.options, () => {
  const browser = withBrowser()
  const startGateway = gatewaysFor(browser)
  let server: Server
  beforeAll(async () => {
    server = createServer((_, response) => response.setHeader("content-type", "text/html").end(html))
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  })
  afterAll(() => server.close())

  test("shows open orders, and follows their changes", async () => {
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { url } = await startGateway({ STATEGATE_CORS_ORIGINS: origin })
    const send = async (method: string, key: string, values?: object) => {
      const body = values === undefined ? {} : { body: JSON.stringify({ values }) }
      const headers = { "content-type": "application/json" }
      const answer = await fetch(`${url}/api/entity/ref/shop/order/${key}`, { method, headers, ...body })
      assert.strictEqual(answer.status, 200)
    }
    await send("POST", "1", { status: "open", total: 1 })
    await send("POST", "2", { status: "open", total: "<b>2</b>" })
    const page = await (await browser().newContext()).newPage()
    await page.goto(`${origin}/?gateway=${url}`)
    await page.locator("#orders li", { hasText: "2: <b>2</b>" }).waitFor()
    await send("PATCH", "1", { total: 11 })
    await page.locator("#orders li", { hasText: "1: 11" }).waitFor()
    await send("POST", "3", { status: "open", total: 3 })
    await send("PATCH", "1", { status: "paid" })
    await send("DELETE", "2")
    await page.locator("#orders li", { hasText: "3: 3" }).waitFor()
    await page.locator("#orders li", { hasText: "2: " }).waitFor({ state: "detached" })
    assert.deepStrictEqual(await page.locator("#orders li").allTextContents(), ["3: 3"])
  })
})
