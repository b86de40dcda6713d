import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { afterAll, afterEach, assert, beforeAll, beforeEach, test } from "vitest"
import { startProxy, type TcpProxy } from "./proxy.ts"

/** Repeats what it hears. */
const heard: Array<string> = []
const echo = createServer((socket) =>
  socket
    .on("data", (bytes) => {
      heard.push(String(bytes))
      socket.write(bytes)
    })
    .on("error", () => socket.destroy())
)
let proxy: TcpProxy

beforeAll(async () => {
  await once(echo.listen(0, "127.0.0.1"), "listening")
})
afterAll(() => void echo.close())
beforeEach(async () => {
  heard.length = 0
  proxy = await startProxy(`127.0.0.1:${(echo.address() as AddressInfo).port}`)
})
afterEach(() => proxy.close())

const open = async (): Promise<Socket> => {
  const socket = connect(Number(proxy.addr.split(":")[1]), "127.0.0.1")
  await once(socket, "connect")
  return socket
}

const said = async (socket: Socket, text: string) => {
  socket.write(text)
  const [bytes] = await once(socket, "data")
  return String(bytes)
}

const code = (socket: Socket, text?: string) => {
  const failed = once(socket, "error").then(([error]) => error.code)
  if (text !== undefined) socket.write(text)
  return failed
}

test("addresses of every form are led through it", async () => {
  const addrs = ["127.0.0.1:1", "postgres://me:2@127.0.0.1:1/db?x=1:2", "mongodb://localhost:1/?directConnection=true"]
  for (const addr of addrs) {
    const other = await startProxy(addr)
    assert.match(other.addr, /(^|\/\/|@)127\.0\.0\.1:\d{5}($|\/)/)
    assert.strictEqual(other.addr.replace(/127\.0\.0\.1:\d{5}/, "?"), addr.replace(/(127\.0\.0\.1|localhost):1\b/, "?"))
    await other.close()
  }
})

test("a cut resets what is open and refuses what comes, until it is healed", async () => {
  const before = await open()
  assert.strictEqual(await said(before, "a"), "a")
  const reset = code(before)
  await proxy.cut()
  assert.strictEqual(await reset, "ECONNRESET")
  assert.strictEqual(await open().catch((error) => error.code), "ECONNREFUSED")
  await proxy.heal()
  const after = await open()
  assert.strictEqual(await said(after, "b"), "b")
  after.destroy()
})

test("what is lost never arrives, and what is unanswered does", async () => {
  proxy.fate = (bytes) => (String(bytes) === "lost" ? "lost" : String(bytes) === "unanswered" ? "unanswered" : "passed")
  for (const text of ["lost", "unanswered"]) {
    const socket = await open()
    assert.strictEqual(await said(socket, `before ${text}`), `before ${text}`)
    assert.strictEqual(await code(socket, text), "ECONNRESET")
  }
  assert.deepStrictEqual(heard, ["before lost", "before unanswered", "unanswered"])
})
