import type { Socket } from "node:net"
import { preface } from "@stategate/http2"

export type Protocol = "http1" | "http2"

/**
 * Tells which HTTP a plaintext connection speaks, then hands it on as if nothing had been read. Bytes may come one by one:
 * they are kept until they differ from the preface or complete it. A connection that closes, fails or stalls before that is destroyed.
 */
export const readFirstBytes = (socket: Socket, msMax: number, decided: (protocol: Protocol) => void): void => {
  let seen: Buffer = Buffer.alloc(0)
  const giveUp = () => socket.destroy()
  const timer = setTimeout(giveUp, msMax)
  const done = () => {
    clearTimeout(timer)
    socket.off("data", onData).off("end", giveUp).off("close", done)
  }
  const onData = (chunk: Buffer) => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
    const length = Math.min(seen.length, preface.length)
    const alike = preface.compare(seen, 0, length, 0, length) === 0
    if (alike && length < preface.length) return
    done()
    socket.pause()
    socket.unshift(seen)
    decided(alike ? "http2" : "http1")
    // Node's servers start to read by themselves; others wait for this, and not before the server has its listeners on.
    process.nextTick(() => socket.resume())
  }
  socket.on("data", onData).on("end", giveUp).on("close", done)
}
