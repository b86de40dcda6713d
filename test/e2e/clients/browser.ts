import { type Browser, chromium } from "playwright-core"
import { afterAll, beforeAll } from "vitest"
import { need, program } from "../../support/need.ts"

export const chromiumNeeded = need("chromium", {
  enable: "apt-get install chromium",
  found: program("chromium", "chromium-browser", "google-chrome")
})

/** A browser without a window, for the tests around. */
export const withBrowser = (): (() => Browser) => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: chromiumNeeded.found!,
      args: [
        ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
        ...["--disable-component-update", "--disable-sync"]
      ]
    })
  })
  afterAll(() => browser?.close())
  return () => browser
}
