import { ConnectionError, codes, flags, frameBytesMax, settings, windowBytes, windowBytesMax } from "./frames.ts"
import type { Output } from "./output.ts"

interface Around {
  readonly output: Output
  /** Called for each frame: they are bounded. */
  readonly onSettings: () => void
  /** Told how much more, or less, may be sent on every stream. */
  readonly onWindow: (change: number) => void
}

/** What the peer has said about itself (RFC 9113, 6.5). */
export class PeerSettings {
  /** Whether it has said anything: its first frame must. */
  isKnown = false
  /** What may be sent on a stream that begins now. */
  windowBytes = windowBytes
  readonly #around: Around

  constructor(around: Around) {
    this.#around = around
  }

  frame(flag: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionError(codes.protocol, "SETTINGS on a stream")
    if ((flag & flags.ack) !== 0) {
      if (payload.length > 0) throw new ConnectionError(codes.frameSize, "an acknowledgement says no more")
      this.#around.onSettings()
      return
    }
    if (payload.length % 6 !== 0) throw new ConnectionError(codes.frameSize, "SETTINGS is cut short")
    this.isKnown = true
    this.#around.onSettings()
    const before = this.windowBytes
    for (let at = 0; at < payload.length; at += 6) this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
    this.#around.output.settingsAck()
    // Behind the acknowledgement: what is sent by the new setting must not overtake it.
    if (this.windowBytes !== before) this.#around.onWindow(this.windowBytes - before)
  }

  #set(name: number, value: number): void {
    if (name === settings.headerTableSize) this.#around.output.encoder.limit(value)
    if (name === settings.enablePush && value > 1) throw new ConnectionError(codes.protocol, "ENABLE_PUSH is a flag")
    if (name === settings.maxFrameSize && (value < frameBytesMax || value > 0xffffff)) {
      throw new ConnectionError(codes.protocol, "a frame size that is none")
    }
    if (name !== settings.initialWindowSize) return
    if (value > windowBytesMax) throw new ConnectionError(codes.flowControl, "a window beyond all bounds")
    this.windowBytes = value
  }
}
