// Adapts a stream to the request and response objects of Node's HTTP server. Everything but the hot path uses them.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http"
import { Readable, Writable } from "node:stream"
import { type Field, isFieldName, isFieldValue } from "./fields.ts"
import { type Code, codes } from "./frames.ts"
import type { Stream } from "./stream.ts"

/** Memory of these two objects, and of what handlers make of them, beside the stream. */
const messageBytes = 20_480

/** Connection-specific fields, which HTTP/2 forbids (RFC 9113, 8.2.2). */
const connectionFields: ReadonlySet<string> = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade"])

class Request extends Readable {
  readonly httpVersion = "2.0"
  readonly httpVersionMajor = 2
  readonly httpVersionMinor = 0
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string> = {}
  readonly rawHeaders: Array<string> = []
  readonly socket: object
  /** The code with which the stream closed, once it has. */
  readonly stream: { rstCode: Code | undefined } = { rstCode: undefined }
  complete = false
  readonly #stream: Stream
  #unread = 0

  constructor(stream: Stream) {
    // The object lives as long as its answer.
    super({ autoDestroy: false })
    this.#stream = stream
    // The connection has other streams: destroying its socket resets this stream alone.
    const end = () => stream.reset(codes.noError)
    this.socket = { encrypted: stream.head.scheme === "https", destroySoon: end, destroy: end }
    this.method = stream.head.method
    this.url = stream.head.path
    const { ":authority": authority, ...headers } = stream.head.headers
    if (authority !== undefined) this.#header("host", authority)
    for (const [name, value] of Object.entries(headers)) {
      if (!name.startsWith(":") && !(name === "host" && authority !== undefined)) this.#header(name, value)
    }
  }

  #header(name: string, value: string): void {
    this.headers[name] = value
    this.rawHeaders.push(name, value)
  }

  override _read(): void {}

  took(bytes: Buffer): void {
    this.#unread += bytes.length
    // The handler reads at its own pace; the window bounds what is buffered.
    if (!this.destroyed) this.push(Buffer.from(bytes))
    this.#account()
  }

  override read(size?: number): Buffer | null {
    const bytes: Buffer | null = super.read(size)
    this.#account()
    return bytes
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#account()
    done(error)
  }

  /** Bytes that are not buffered any more are used up: read, passed to a listener, or discarded. */
  #account(): void {
    const held = this.destroyed ? 0 : Math.min(this.#unread, this.readableLength)
    this.#stream.taken(this.#unread - held)
    this.#unread = held
  }

  ended(): void {
    this.complete = true
    this.push(null)
  }

  over(code: Code): void {
    this.stream.rstCode = code
    if (!this.complete) this.emit("aborted")
    this.destroy()
  }
}

class Response extends Writable {
  statusCode = 200
  headersSent = false
  sendDate = true
  readonly req: Request
  readonly #stream: Stream
  readonly #headers = new Map<string, ReadonlyArray<Field>>()
  readonly #trailers: Array<Field> = []
  #onRoom: (() => void) | undefined
  #isComplete = false

  constructor(stream: Stream, request: Request) {
    super()
    this.#stream = stream
    this.req = request
  }

  get socket(): object {
    return this.req.socket
  }

  setHeader(name: string, value: string | number | ReadonlyArray<string>): this {
    const fields = (typeof value === "object" ? value : [value]).map((one) => checked(name, String(one)))
    this.#headers.set(name.toLowerCase(), fields)
    return this
  }

  getHeader(name: string): string | ReadonlyArray<string> | undefined {
    const values = this.#headers.get(name.toLowerCase())?.map(([, value]) => value)
    return values?.length === 1 ? values[0] : values
  }

  hasHeader(name: string): boolean {
    return this.#headers.has(name.toLowerCase())
  }

  removeHeader(name: string): void {
    this.#headers.delete(name.toLowerCase())
  }

  writeHead(status: number, headers: OutgoingHttpHeaders | ReadonlyArray<string> = {}): this {
    this.statusCode = status
    const pairs = Array.isArray(headers) ? pairsOf(headers) : Object.entries(headers as OutgoingHttpHeaders)
    for (const [name, value] of pairs) if (value !== undefined) this.setHeader(name, value)
    return this
  }

  writeContinue(): void {
    this.#stream.respond([[":status", "100"]], false, true)
  }

  flushHeaders(): void {
    if (!this.headersSent) this.#head(false)
  }

  addTrailers(headers: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(headers)) this.#trailers.push(checked(name, value))
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.flushHeaders()
    const isBodiless = this.req.method === "HEAD" || this.statusCode === 204 || this.statusCode === 304
    // A complete answer goes to the stream at once, which then counts it as one: holding it back saves no memory.
    if (isBodiless || this.#stream.write(chunk) || this.writableEnded) done()
    else this.#onRoom = done
  }

  override end(...last: ReadonlyArray<unknown>): this {
    super.end(...(last as []))
    this.drained()
    return this
  }

  override _final(done: () => void): void {
    this.#isComplete = true
    const isAllHead = !this.headersSent && this.#trailers.length === 0
    if (isAllHead) {
      this.#head(true)
    } else {
      this.flushHeaders()
      this.#stream.end(this.#trailers)
    }
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.writableFinished) this.#stream.reset(error === null ? codes.cancel : codes.internal)
    done(error)
  }

  drained(): void {
    const done = this.#onRoom
    this.#onRoom = undefined
    done?.()
  }

  over(): void {
    // A complete response destroys itself after its `finish` event.
    if (!this.#isComplete) this.destroy()
  }

  #head(end: boolean): void {
    this.headersSent = true
    const fields: Array<Field> = [[":status", String(this.statusCode)]]
    for (const [name, some] of this.#headers) if (!connectionFields.has(name)) fields.push(...some)
    if (!this.#headers.has("date")) fields.push(["date", new Date().toUTCString()])
    this.#stream.respond(fields, end)
  }
}

/** Throws where Node does, so that no value can end a header early for some reader (response splitting). */
const checked = (name: string, value: string): Field => {
  const field: Field = [name.toLowerCase(), value.trim()]
  if (!isFieldName(field[0])) throw new TypeError(`${JSON.stringify(name)} is not a valid header name`)
  if (!isFieldValue(field[1])) throw new TypeError(`the header ${field[0]} has an invalid character`)
  return field
}

const pairsOf = (flat: ReadonlyArray<string>): Array<[string, string]> =>
  Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!])

/** Serves a stream by a handler of Node's requests. */
export const serveByHandler = (
  stream: Stream,
  handler: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>
): void => {
  stream.charge(messageBytes)
  const isComplete = stream.ended
  if (isComplete) stream.settle()
  const request = new Request(stream)
  const response = new Response(stream, request)
  // An error ends its stream alone. Without a listener it would end the process.
  request.on("error", () => {})
  response.on("error", () => {})
  stream.receiver = {
    onData: (bytes) => request.took(bytes),
    onEnd: () => (isComplete ? request.ended() : stream.inTurn(() => request.ended())),
    onDrain: () => response.drained(),
    onClose: (code) => {
      response.over()
      request.over(code)
    }
  }
  if (stream.head.headers["expect"]?.toLowerCase() === "100-continue") response.writeContinue()
  const work = handler(request as unknown as IncomingMessage, response as unknown as ServerResponse)
  if (work instanceof Promise) {
    const freeSlot = stream.holdSlot()
    work.then(freeSlot, freeSlot)
  }
}
