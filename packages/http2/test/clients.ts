// Clients that send exactly what a test wants sent. Each is closed with the scope of its test.

import { type ClientHttp2Session, connect as connectHttp2, type SecureClientSessionOptions } from "node:http2"
import { connect as connectTcp, type Socket } from "node:net"
import { type ConnectionOptions, connect as connectTls } from "node:tls"
import { Effect } from "effect"
import type { Handler } from "../index.ts"

/** Answers with the protocol, the method and the body that it got. */
export const echo: Handler = (request, response) => {
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.on("end", () =>
    response.end(`${request.httpVersion} ${request.method} ${request.url} ${Buffer.concat(chunks).toString()}`)
  )
}

export interface Wire {
  readonly socket: Socket
  readonly send: (...parts: ReadonlyArray<string | Uint8Array>) => void
  /** Waits until this arrives, and takes everything up to its end. Fails the test when the connection closes first. */
  readonly expect: (text: string) => Effect.Effect<string>
  /** Waits for the other end to close, and gives what came until then. */
  readonly closed: Effect.Effect<string>
}

/** A connection, byte by byte (as latin1). */
export const wire = (port: number, tls?: ConnectionOptions) =>
  Effect.acquireRelease(
    Effect.callback<Wire>((resume) => {
      const socket = tls === undefined ? connectTcp(port, "127.0.0.1") : connectTls({ port, host: "127.0.0.1", ...tls })
      // What a test sends in several pieces is not held back until the one before has been acknowledged.
      socket.setNoDelay()
      let received = ""
      socket.on("data", (chunk) => {
        received += chunk.toString("latin1")
      })
      socket.on("error", () => {})
      const take = (length: number) => {
        const taken = received.slice(0, length)
        received = received.slice(length)
        return taken
      }
      const opened: Wire = {
        socket,
        send: (...parts) => {
          for (const part of parts) socket.write(part)
        },
        expect: (text) =>
          Effect.callback((found) => {
            const stop = () => socket.off("data", look).off("close", look)
            const look = () => {
              const at = received.indexOf(text)
              if (at < 0 && !socket.destroyed) return
              stop()
              found(
                at < 0
                  ? Effect.die(`closed before ${JSON.stringify(text)}: ${received}`)
                  : Effect.succeed(take(at + text.length))
              )
            }
            socket.on("data", look).on("close", look)
            look()
            return Effect.sync(stop)
          }),
        closed: Effect.callback((found) => {
          const done = () => found(Effect.succeed(take(received.length)))
          if (socket.destroyed) done()
          else socket.once("close", done)
        })
      }
      socket.once(tls === undefined ? "connect" : "secureConnect", () => resume(Effect.succeed(opened)))
      socket.once("close", () => resume(Effect.succeed(opened)))
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

export const session = (url: string, options: SecureClientSessionOptions = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const opened = connectHttp2(url, options)
      opened.on("error", () => {})
      return opened
    }),
    (opened) => Effect.sync(() => opened.destroy())
  )

export interface Answer {
  readonly status: number | undefined
  readonly body: string
  readonly trailers: Record<string, unknown>
  /** Of the stream: 0 when all went well. */
  readonly code: number | undefined
}

/** One HTTP/2 call, from its headers to the end of its answer. */
export const call = (
  over: ClientHttp2Session,
  headers: Record<string, string> = {},
  send: (stream: ReturnType<ClientHttp2Session["request"]>) => void = (stream) => stream.end()
) =>
  Effect.callback<Answer>((resume) => {
    const stream = over.request({ ":path": "/", ...headers }, { endStream: false })
    let status: number | undefined
    let body = ""
    stream.on("error", () => {})
    stream.on("response", (answered) => {
      status = answered[":status"]
    })
    let trailers = {}
    stream.on("trailers", (sent) => {
      trailers = sent
    })
    stream.on("data", (chunk) => {
      body += chunk
    })
    const done = () => resume(Effect.succeed({ status, body, trailers, code: stream.rstCode }))
    // Node's client closes a stream only when it has sent everything, also after a reset: the end of the answer may come first.
    stream.on("end", done).on("close", done)
    send(stream)
  })

// HTTP/2 by hand (RFC 9113), for what no well-behaved client would send.

export const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

export const frame = (type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()) => {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}

export const settings = frame(4, 0, 0)
export const ping = frame(6, 0, 0, Buffer.alloc(8))
export const reset = (stream: number) => frame(3, 0, stream, Buffer.from([0, 0, 0, 8]))
/** `GET http://a/`, all of it from the static table but the authority. */
export const get = (stream: number, { end = true } = {}) =>
  frame(1, end ? 5 : 4, stream, Buffer.from([0x82, 0x86, 0x84, 0x41, 0x01, 0x61]))
