import { once } from "node:events"
import { connect, type Socket } from "node:net"

/** A connection on which a test says exactly what it wants to. */
export const rawConnection = async (
  url: string
): Promise<{ readonly socket: Socket; readonly received: () => string }> => {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let received = ""
  socket.setEncoding("latin1").on("data", (text) => {
    received += text
  })
  socket.on("error", () => {})
  await once(socket, "connect")
  return { socket, received: () => received }
}

/** A POST of JSON over HTTP/1.1 that stops in the middle of its body, with the gateway waiting for the rest. */
export const halfCall = async (url: string, path: string, body: string) => {
  const { socket, received } = await rawConnection(url)
  const head = [
    `POST ${path} HTTP/1.1`,
    `host: ${new URL(url).host}`,
    "content-type: application/json",
    `content-length: ${body.length}`,
    // The gateway answers this before it waits for the body: then the call is known to be under way.
    "expect: 100-continue"
  ]
  socket.write(`${head.join("\r\n")}\r\n\r\n`)
  while (!received().includes("100 Continue")) await once(socket, "data")
  socket.write(body.slice(0, 5))
  const start = received().length
  const closed = once(socket, "close").then(() => received().slice(start))
  return {
    closed,
    /** Sends the rest, and waits until the gateway has answered and closed. */
    finish: () => {
      socket.write(body.slice(5))
      return closed
    }
  }
}
