import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { afterEach, assert, describe, test } from "vitest"
import { need, program } from "../support/need.ts"
import { freePort, type GatewayProcess, startGateway, temporaryFolder } from "../support/process.ts"

const script = new URL("../../examples/worker.py", import.meta.url).pathname
const python = need("Python 3", { enable: "apt-get install python3", found: program("python3") })

describe("the worker", python.options, () => {
  const folder = temporaryFolder()
  const children: Array<ChildProcess> = []
  const gateways: Array<GatewayProcess> = []
  afterEach(async () => {
    for (const child of children) child.kill("SIGKILL")
    await Promise.all(gateways.map((gateway) => gateway.stop("SIGKILL")))
    folder.remove()
  })

  const startWorker = (url: string) => {
    const child = spawn(python.found!, [script, url, `${folder.path}/state.json`], {
      stdio: ["ignore", "pipe", "ignore"]
    })
    children.push(child)
    let text = ""
    child.stdout!.setEncoding("utf8").on("data", (more: string) => {
      text += more
    })
    /** Waits until the worker prints this total. */
    const reaches = async (total: number) => {
      while (!text.split("\n").includes(String(total))) await once(child.stdout!, "data")
    }
    return { child, reaches }
  }

  const pay = async (url: string, key: string, amount: number) => {
    const answer = await fetch(`${url}/api/entity/ref/shop/payment/${key}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ values: { amount } })
    })
    assert.strictEqual(answer.status, 200)
  }

  test("counts each payment once, although it and the gateway are killed", async () => {
    const env = {
      STATEGATE_PORT: String(await freePort()),
      STATEGATE_STORAGE_PROVIDER: JSON.stringify({ name: "sqlite", path: `${folder.path}/stategate.db` })
    }
    const start = async () => {
      const gateway = await startGateway(env)
      gateways.push(gateway)
      return gateway
    }
    const first = await start()
    await pay(first.url, "a", 1)
    const worker = startWorker(first.url)
    await worker.reaches(1)
    await pay(first.url, "b", 10)
    await worker.reaches(11)
    worker.child.kill("SIGKILL")
    await once(worker.child, "close")

    await pay(first.url, "c", 100)
    const next = startWorker(first.url)
    await next.reaches(111)
    await first.stop("SIGKILL")
    const second = await start()
    await pay(second.url, "d", 1000)
    await next.reaches(1111)
  })
})
