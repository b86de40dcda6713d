import type { Page } from "playwright-core"
import { assert, describe, test } from "vitest"
import { freePort, temporaryFolder } from "../support/process.ts"
import { chromiumNeeded, gatewaysFor, withBrowser } from "./clients/browser.ts"
import { restClient } from "./clients/rest.ts"

// What only a browser can tell: whether the page at / may run, and whether an EventSource that was cut off comes back by
// itself with nothing lost.

describe("a browser", chromiumNeeded.options, () => {
  const browser = withBrowser()
  const start = gatewaysFor(browser)

  const set = (url: string, key: string, n: number) =>
    restClient(url).call("EntityService/Set", { domain: "live", type: "row", key, values: { n } })

  /** Opens a page and notes everything that it or the browser complains about. */
  const open = async (url: string) => {
    const page = await (await browser().newContext()).newPage()
    const complaints: Array<string> = []
    const requests: Array<string> = []
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text())
    })
    page.on("pageerror", (error) => complaints.push(String(error)))
    page.on("request", (request) => requests.push(request.url()))
    await page.goto(url)
    return { page, complaints, requests }
  }
  const connected = (page: Page) => page.locator("#status", { hasText: /^connected$/ }).waitFor()
  /** The ids of the events in the table, the oldest first. */
  const shown = (page: Page) =>
    page
      .locator("#events tr[data-id]")
      .evaluateAll((rows) => rows.map((row) => (row as HTMLElement).dataset["id"]).reverse())

  test("shows what happens on the page at /, which asks nobody else for anything", async () => {
    const gateway = await start({})
    const { page, complaints, requests } = await open(`${gateway.url}/`)
    await connected(page)
    assert.include(await page.locator("#example").textContent(), `${gateway.url}/api/entity/ref/`)
    const markup = "<img src=x onerror=document.title='owned'><b id=bold>"
    const { headers } = await restClient(gateway.url).call("EntityService/Set", {
      domain: "live",
      type: markup.replaceAll(" ", "\u00b7"),
      key: "k",
      values: { markup }
    })
    await page.locator(`tr[data-id="${headers["stategate-event-id"]}"]`, { hasText: "onerror" }).waitFor()
    assert.strictEqual(await page.locator("#events img, #bold").count(), 0, "values are text, not markup")
    assert.strictEqual(await page.title(), "stategate")
    for (const url of requests) assert.match(url, new RegExp(`^(${gateway.url}/|data:)`))
    assert.deepStrictEqual(complaints, [])
  })

  test("has no script run in the page that the gateway did not put there", async () => {
    const gateway = await start({})
    const { page, complaints } = await open(`${gateway.url}/`)
    await connected(page)
    await page.evaluate(() => {
      const script = document.createElement("script")
      script.textContent = "document.title = 'owned'"
      document.body.append(script)
    })
    assert.strictEqual(await page.title(), "stategate")
    assert.match(complaints.join("\n"), /Content Security Policy.*script-src/s)
  })

  test("reconnects by itself when the gateway is killed, with every event once and in order", async () => {
    const folder = temporaryFolder()
    const port = await freePort()
    const env = {
      STATEGATE_PORT: String(port),
      STATEGATE_STORAGE_PROVIDER: JSON.stringify({ name: "sqlite", path: `${folder.path}/stategate.db` })
    }
    let gateway = await start(env)
    const { page } = await open(`${gateway.url}/`)
    await connected(page)
    // One more, from the beginning, which reports what it gets as the browser hands it over.
    await page.evaluate(() => {
      const got: Array<string> = []
      Object.assign(window, { got })
      const source = new EventSource("/api/events/stream?domain=live&type=*&beginning=true")
      source.onmessage = ({ data }) => got.push(JSON.parse(data).id)
    })

    const ids: Array<string | undefined> = []
    const write = async (count: number) => {
      for (let n = 0; n < count; n++) {
        const { headers } = await set(gateway.url, `key-${ids.length}`, n)
        ids.push(headers["stategate-event-id"])
      }
    }
    const arrived = (count: number) =>
      page.waitForFunction(
        (wanted) =>
          document.querySelectorAll("#events tr[data-id]").length >= wanted &&
          (window as unknown as { got: ReadonlyArray<string> }).got.length >= wanted,
        count
      )
    await write(3)
    await arrived(ids.length)
    for (const quiet of [false, true]) {
      await gateway.stop("SIGKILL")
      gateway = await start(env)
      // What is written before the browser is back is what a stream "from now" would lose.
      await write(4)
      await arrived(ids.length)
      if (!quiet) await write(3)
      await arrived(ids.length)
    }
    assert.deepStrictEqual(await shown(page), ids)
    assert.deepStrictEqual(await page.evaluate("got"), ids)
    await page.close()
    folder.remove()
  })

  test("that lost a stream before its first event misses nothing either", async () => {
    const folder = temporaryFolder()
    const env = {
      STATEGATE_PORT: String(await freePort()),
      STATEGATE_STORAGE_PROVIDER: JSON.stringify({ name: "sqlite", path: `${folder.path}/stategate.db` })
    }
    const before = await start(env)
    const { page } = await open(`${before.url}/`)
    await connected(page)
    await before.stop()
    const after = await start(env)
    const { headers } = await set(after.url, "k", 1)
    await page.locator("#events tr[data-id]").waitFor()
    assert.deepStrictEqual(await shown(page), [headers["stategate-event-id"]])
    await page.close()
    folder.remove()
  })
})
