import { type Browser, chromium } from "playwright-core"
import { afterAll, afterEach, beforeAll } from "vitest"
import { need, program } from "../../support/need.ts"
import { type GatewayProcess, startGateway } from "../../support/process.ts"

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

/** Starts gateways for the browser to call; its pages and they end with each test. */
export const gatewaysFor = (browser: () => Browser): typeof startGateway => {
  const gateways: Array<GatewayProcess> = []
  afterEach(async () => {
    await Promise.all(
      browser()
        .contexts()
        .map((context) => context.close())
    )
    await Promise.all(gateways.splice(0).map((gateway) => gateway.stop("SIGKILL")))
  })
  return async (env) => {
    const gateway = await startGateway(env)
    gateways.push(gateway)
    return gateway
  }
}
