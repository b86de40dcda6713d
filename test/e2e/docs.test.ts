import { afterAll, assert, beforeAll, describe, test } from "vitest"
import type { OpenApi, Operation } from "../../adapters/transport/openapi.ts"
import { type GatewayProcess, startGateway } from "../support/process.ts"
import { chromiumNeeded, withBrowser } from "./clients/browser.ts"

// The reference as a gateway serves it: to whom, and what a browser makes of it.

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

test("the document and the page are asked for again only when they have changed", async () => {
  for (const path of ["/openapi.json", "/docs"]) {
    const first = await fetch(gateway.url + path)
    assert.strictEqual(first.status, 200)
    assert.strictEqual(first.headers.get("cache-control"), "no-cache")
    assert.isAbove((await first.text()).length, 1000)
    const headers = { "if-none-match": `"other", W/${first.headers.get("etag")}` }
    assert.strictEqual((await fetch(gateway.url + path, { headers })).status, 304)
    assert.strictEqual((await fetch(gateway.url + path, { headers: { "if-none-match": '"other"' } })).status, 200)
    assert.strictEqual((await fetch(gateway.url + path, { method: "HEAD" })).status, 200)
  }
})

test("STATEGATE_PUBLIC_DOCS=false keeps both shut, and nothing leads to them", async () => {
  const shut = await startGateway({ STATEGATE_PUBLIC_DOCS: "false" })
  for (const path of ["/openapi.json", "/docs"]) assert.strictEqual((await fetch(shut.url + path)).status, 404)
  assert.notInclude(await (await fetch(shut.url)).text(), "/docs")
  assert.include(await (await fetch(gateway.url)).text(), "/docs")
  await shut.stop()
})

describe("a browser", chromiumNeeded.options, () => {
  const browser = withBrowser()

  test("shows every operation at /docs, without a script and without asking anyone else", async () => {
    const context = await browser().newContext()
    const page = await context.newPage()
    const complaints: Array<string> = []
    const requests: Array<string> = []
    page.on("console", (message) => complaints.push(message.text()))
    page.on("pageerror", (error) => complaints.push(String(error)))
    page.on("request", (request) => requests.push(request.url()))
    await page.goto(gateway.url)
    await page.getByRole("link", { name: "Reference" }).click()
    await page.waitForURL(`${gateway.url}/docs`)
    // What the page at / asks for, which ends with it, is not the matter here.
    complaints.length = 0
    requests.length = 0
    const answer = await page.reload()
    assert.notInclude(answer?.headers()["content-security-policy"], "script-src")
    assert.strictEqual(await page.locator("script").count(), 0)

    const document = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as OpenApi
    const operations = Object.entries(document.paths).flatMap(([path, verbs]) =>
      (Object.entries(verbs) as ReadonlyArray<[string, Operation]>).map(([verb, { operationId, parameters }]) => {
        return { route: `${verb.toUpperCase()} ${path}`, operationId, parameters }
      })
    )
    assert.isAtLeast(operations.length, 10)
    for (const { route, operationId, parameters } of operations) {
      const section = page.locator(`#${operationId}`)
      await page.locator(`nav a[href="#${operationId}"]`).click()
      assert.isTrue(await section.isVisible())
      assert.strictEqual((await section.locator(".route").innerText()).replace(/\s+/g, " "), route)
      for (const { name } of parameters) {
        assert.isTrue(
          await section.getByRole("rowheader", { name, exact: false }).first().isVisible(),
          `${route} ${name}`
        )
      }
    }
    // The style is applied: the policy has its hash.
    assert.strictEqual(await page.locator("body").evaluate((body) => getComputedStyle(body).display), "grid")
    for (const url of requests) assert.match(url, new RegExp(`^(${gateway.url}/|data:)`))
    assert.deepStrictEqual(complaints, [])
    await context.close()
  })

  test("finds every link within the page", async () => {
    const context = await browser().newContext()
    const page = await context.newPage()
    await page.goto(`${gateway.url}/docs`)
    const broken = await page
      .locator('a[href^="#"]')
      .evaluateAll((links) =>
        links
          .map((link) => link.getAttribute("href")!)
          .filter((href) => !document.querySelector(href.replaceAll(".", "\\.")))
      )
    assert.deepStrictEqual(broken, [])
    await context.close()
  })
})
