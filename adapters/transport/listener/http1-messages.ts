import { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"

/** What the two objects of a request tell the connection that serves it. */
export interface MessageOwner {
  /** More of the body can be taken. */
  readonly wantsBody: () => void
  /** Something of the response was written, if only its headers. */
  readonly written: () => void
}

/**
 * A request whose unread body can be thrown away, also after its reader destroyed it (leaving a `for await` does).
 * Node keeps the connection of such a request paused, so that the next request on it would never be read.
 */
export class Request extends IncomingMessage {
  owner: MessageOwner | undefined
  // Node sets `req.socket` to null when a server's request is destroyed.
  readonly #socket: Socket
  #discarded: number | undefined
  #discardedMax = 0

  constructor(socket: Socket) {
    super(socket)
    this.#socket = socket
  }

  /** Whether a piece of the body would find room. */
  get hasRoom(): boolean {
    return this.#discarded !== undefined || this.readableLength < this.readableHighWaterMark
  }

  discard(bytesMax: number): void {
    if (this.complete || this.#discarded !== undefined) return
    this.#discarded = 0
    this.#discardedMax = bytesMax
    this.resume()
    this.#socket.resume()
    this.owner?.wantsBody()
  }

  override push(chunk: Buffer | null, encoding?: BufferEncoding): boolean {
    if (chunk === null || this.#discarded === undefined) return super.push(chunk, encoding)
    this.#discarded += chunk.length
    if (this.#discarded > this.#discardedMax) this.#socket.destroy()
    return true
  }

  override _read(size: number): void {
    super._read(size)
    this.owner?.wantsBody()
  }
}

/** A response that says when something was written: it may wait for the client, or for one that has gone. */
export class Response extends ServerResponse<Request> {
  owner: MessageOwner | undefined

  override writeHead(...args: ReadonlyArray<unknown>): this {
    super.writeHead(...(args as Parameters<ServerResponse["writeHead"]>))
    this.owner?.written()
    return this
  }

  override flushHeaders(): void {
    super.flushHeaders()
    this.owner?.written()
  }

  override write(...args: ReadonlyArray<unknown>): boolean {
    const isTaken = super.write(...(args as Parameters<ServerResponse["write"]>))
    this.owner?.written()
    return isTaken
  }

  override end(...args: ReadonlyArray<unknown>): this {
    super.end(...(args as Parameters<ServerResponse["end"]>))
    this.owner?.written()
    return this
  }
}
