import { ConnectionError, codes, flags, frameBytesMax, settings, windowBytes, windowBytesMax } from "./frames.ts"
import type { Output } from "./output.ts"

interface PeerSettingsOptions {
  readonly output: Output
  /** Called for each SETTINGS frame: they are flood-limited. */
  readonly onSettings: () => void
  /** Called when the send window of every stream grows or shrinks, by how much. */
  readonly onWindow: (change: number) => void
}

/** The peer's SETTINGS (RFC 9113, 6.5). */
export class PeerSettings {
  /** Whether SETTINGS have arrived; they must be the first frame. */
  isKnown = false
  /** The send window of a new stream, in bytes. */
  windowBytes = windowBytes
  readonly #options: PeerSettingsOptions

  constructor(options: PeerSettingsOptions) {
    this.#options = options
  }

  frame(flag: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionError(codes.protocol, "SETTINGS on a stream")
    if ((flag & flags.ack) !== 0) {
      if (payload.length > 0) throw new ConnectionError(codes.frameSize, "a SETTINGS acknowledgement has no payload")
      this.#options.onSettings()
      return
    }
    if (payload.length % 6 !== 0) throw new ConnectionError(codes.frameSize, "SETTINGS is cut short")
    this.isKnown = true
    this.#options.onSettings()
    const before = this.windowBytes
    for (let at = 0; at < payload.length; at += 6) this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
    this.#options.output.settingsAck()
    // After the acknowledgement, which frames sent under the new setting must not overtake.
    if (this.windowBytes !== before) this.#options.onWindow(this.windowBytes - before)
  }

  #set(name: number, value: number): void {
    if (name === settings.headerTableSize) this.#options.output.encoder.limit(value)
    if (name === settings.enablePush && value > 1) throw new ConnectionError(codes.protocol, "ENABLE_PUSH is a flag")
    if (name === settings.maxFrameSize && (value < frameBytesMax || value > 0xffffff)) {
      throw new ConnectionError(codes.protocol, "MAX_FRAME_SIZE out of range")
    }
    if (name !== settings.initialWindowSize) return
    if (value > windowBytesMax) throw new ConnectionError(codes.flowControl, "a window above 2^31-1")
    this.windowBytes = value
  }
}
