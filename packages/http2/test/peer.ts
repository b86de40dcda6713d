// A client that sends any bytes and understands the frames that come back.

import { connect } from "node:net"
import { Effect } from "effect"
import type { Field } from "../fields.ts"
import { frameTypes } from "../frames.ts"
import { HpackDecoder } from "../hpack-decoder.ts"

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export interface Peer {
  readonly send: (...parts: ReadonlyArray<string | Uint8Array>) => void
  /** All frames so far. */
  readonly frames: ReadonlyArray<Frame>
  /** Waits until the frames satisfy this, or the connection is closed. */
  readonly until: (isEnough: (frames: ReadonlyArray<Frame>) => boolean) => Effect.Effect<ReadonlyArray<Frame>>
  /** Waits until the connection is closed. */
  readonly closed: Effect.Effect<ReadonlyArray<Frame>>
  /** Sends PINGs until nothing else comes between their answers: by then the server has answered what it can. */
  readonly settled: Effect.Effect<ReadonlyArray<Frame>>
  readonly isClosed: () => boolean
  /** Says that it sends nothing more, and goes on to read. */
  readonly finish: () => void
  /** Reads nothing from now on. */
  readonly pause: () => void
}

export const peer = (port: number, host = "127.0.0.1") =>
  Effect.acquireRelease(
    Effect.callback<{ readonly peer: Peer; readonly destroy: () => void }>((resume) => {
      const socket = connect({ port, host, allowHalfOpen: true })
      socket.setNoDelay().on("error", () => {})
      const frames: Array<Frame> = []
      let rest: Buffer = Buffer.alloc(0)
      const listeners = new Set<() => void>()
      const changed = () => {
        for (const listener of [...listeners]) listener()
      }
      socket.on("data", (chunk: Buffer) => {
        rest = Buffer.concat([rest, chunk])
        let at = 0
        for (; rest.length - at >= 9 && rest.length - at >= 9 + rest.readUIntBE(at, 3); ) {
          const end = at + 9 + rest.readUIntBE(at, 3)
          frames.push({
            type: rest[at + 3]!,
            flags: rest[at + 4]!,
            stream: rest.readUInt32BE(at + 5) & 0x7fffffff,
            payload: rest.subarray(at + 9, end)
          })
          at = end
        }
        rest = Buffer.from(rest.subarray(at))
        changed()
      })
      let isClosed = false
      socket.on("end", () => socket.end())
      socket.on("close", () => {
        isClosed = true
        changed()
      })
      const until: Peer["until"] = (isEnough) =>
        Effect.callback((found) => {
          const look = () => {
            if (!isClosed && !isEnough(frames)) return
            listeners.delete(look)
            found(Effect.succeed(frames))
          }
          listeners.add(look)
          look()
          return Effect.sync(() => listeners.delete(look))
        })
      const send: Peer["send"] = (...parts) => {
        for (const part of parts) if (socket.writable) socket.write(part)
      }
      let pings = 0
      const ping = Effect.suspend(() => {
        const payload = Buffer.alloc(8)
        payload.writeUInt32BE(++pings, 4)
        send(Buffer.concat([Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0]), payload]))
        return until((all) => all.some((one) => one.type === frameTypes.ping && one.payload.equals(payload)))
      })
      const settled = Effect.gen(function* () {
        for (let quiet = 0, seen = -1; quiet < 3 && !isClosed; ) {
          yield* ping
          quiet = frames.length === seen + 1 ? quiet + 1 : 0
          seen = frames.length
        }
        return frames
      })
      const client: Peer = {
        send,
        frames,
        until,
        closed: until(() => false),
        settled,
        isClosed: () => isClosed,
        finish: () => void socket.end(),
        pause: () => void socket.pause()
      }
      socket.once("connect", () => resume(Effect.succeed({ peer: client, destroy: () => socket.destroy() })))
    }),
    ({ destroy }) => Effect.sync(destroy)
  ).pipe(Effect.map(({ peer }) => peer))

const ofType = (frames: ReadonlyArray<Frame>, type: number, stream?: number) =>
  frames.filter((frame) => frame.type === type && (stream === undefined || frame.stream === stream))

/** The code of the last GOAWAY. */
export const goAwayCode = (frames: ReadonlyArray<Frame>): number | undefined =>
  ofType(frames, frameTypes.goAway).at(-1)?.payload.readUInt32BE(4)

/** The code with which a stream was reset. */
export const resetCode = (frames: ReadonlyArray<Frame>, stream: number): number | undefined =>
  ofType(frames, frameTypes.reset, stream).at(-1)?.payload.readUInt32BE(0)

/** Bytes of DATA, on one stream or on all. */
export const dataBytes = (frames: ReadonlyArray<Frame>, stream?: number): number =>
  ofType(frames, frameTypes.data, stream).reduce((sum, { payload }) => sum + payload.length, 0)

/** The header blocks that came, decoded in their order. */
export const answers = (frames: ReadonlyArray<Frame>): ReadonlyMap<number, ReadonlyArray<Field>> => {
  const decoder = new HpackDecoder()
  const found = new Map<number, Array<Field>>()
  let block: Array<Buffer> = []
  for (const { type, flags, stream, payload } of frames) {
    if (type !== frameTypes.headers && type !== frameTypes.continuation) continue
    block.push(payload)
    if ((flags & 0x4) === 0) continue
    const fields = found.get(stream) ?? []
    found.set(stream, fields)
    decoder.decode(Buffer.concat(block), 1_000_000, (name, value) => fields.push([name, value]))
    block = []
  }
  return found
}

/** The final status of a stream. */
export const statusOf = (frames: ReadonlyArray<Frame>, stream: number): string | undefined =>
  answers(frames)
    .get(stream)
    ?.findLast(([name]) => name === ":status")?.[1]
