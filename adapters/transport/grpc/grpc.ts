import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf"
import { type Any, anyPack } from "@bufbuild/protobuf/wkt"
import { Code } from "@connectrpc/connect"
import { requestBytesMax } from "../../../application/limits.ts"
import type { JsonObject } from "../../../domain/json.ts"
import { type Invalid, invalid } from "../../../domain/rejection.ts"
import { StatusSchema } from "../../../proto/gen/google/rpc/status_pb.js"
import { callIdOf } from "../call/call-id.ts"
import { grpcTimeoutMs } from "../call/deadline.ts"
import type { Call } from "../call/pipeline.ts"
import { statusOf, type WireStatus } from "../call/status.ts"
import { recursionLimit, wireProblem } from "../call/wire-scan.ts"

/** What the handler needs of an HTTP/2 stream. */
export interface GrpcStream {
  readonly head: {
    readonly method: string
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
  }
  receiver: {
    readonly onData: (bytes: Buffer, isLast: boolean) => void
    readonly onEnd: () => void
    readonly onDrain: () => void
    readonly onClose: (code: number) => void
  }
  readonly closed: boolean
  readonly responded: boolean
  readonly respond: (fields: Iterable<Field>, end?: boolean) => void
  readonly write: (bytes: Uint8Array) => boolean
  readonly end: (trailers: ReadonlyArray<Field>) => void
  readonly taken: (bytes: number) => void
  /** Keeps the slot of the stream until what is returned is called, also when the client has gone by then. */
  readonly holdSlot: () => () => void
}

export type Field = readonly [name: string, value: string]

type Metadata = Readonly<Record<string, string | ReadonlyArray<string>>>

export interface GrpcCall extends Call {
  readonly callId: string
}

/** What a method answers: a message with status OK, or a status. Headers and trailers go along with either. */
export interface GrpcAnswer {
  readonly headers?: Metadata
  readonly message?: MessageShape<DescMessage>
  readonly trailers?: Metadata
  readonly status?: WireStatus
}

/** Where a method puts its answer: a stream opens it and sends; every answer is done once. */
export interface GrpcSink {
  readonly open: (headers: Metadata) => void
  /** Takes messages in their frames. Where that would pile up, resolves when there is room again. */
  readonly send: (frames: Buffer) => Promise<void> | undefined
  readonly done: (answer: GrpcAnswer) => void
}

/** Decodes a message, or says what is wrong with it. */
export type ReadMessage = () => MessageShape<DescMessage> | Invalid

export interface GrpcMethod {
  readonly input: DescMessage
  readonly output: DescMessage
  /** Begins the call, and reads its message if it will serve it. What is returned is for a client that leaves before. */
  readonly begin: (call: GrpcCall, read: ReadMessage, sink: GrpcSink) => () => void
  /** Records a call whose message could not be read. */
  readonly refused: (call: GrpcCall, status: WireStatus) => void
}

/**
 * gRPC with one message in, straight on the streams of HTTP/2: the hot path of the gateway. It takes what nearly all
 * clients send, uncompressed binary messages, and answers false for the rest, which connect-es serves.
 */
export const grpcHandler =
  (methods: ReadonlyMap<string, GrpcMethod>, messageBytesMax = requestBytesMax) =>
  (stream: GrpcStream): boolean => {
    const { method: verb, path, headers } = stream.head
    const method = methods.get(path)
    const type = headers["content-type"]
    const encoding = headers["grpc-encoding"]
    const isOurs =
      method !== undefined &&
      verb === "POST" &&
      (type === "application/grpc" || type === "application/grpc+proto") &&
      (encoding === undefined || encoding === "identity")
    if (isOurs) receive(method, stream, messageBytesMax)
    return isOurs
  }

const tooLarge = (bytesMax: number): WireStatus => ({
  code: Code.ResourceExhausted,
  http: 429,
  message: `the message is larger than ${bytesMax} bytes`,
  details: [],
  headers: {}
})

const receive = (method: GrpcMethod, stream: GrpcStream, bytesMax: number): void => {
  const call = callOf(stream.head.headers)
  let body = nothing
  let bytes = 0
  let cancel = () => {}
  let freeSlot = () => {}
  let onRoom = () => {}
  const sink: GrpcSink = {
    open: (headers) => {
      if (!stream.closed) stream.respond(headFields(call, { headers }))
    },
    send: (frames) => {
      if (stream.closed || stream.write(frames)) return undefined
      return new Promise((resolve) => {
        onRoom = resolve
      })
    },
    done: (outcome) => {
      cancel = () => {}
      freeSlot()
      answer(stream, method, call, outcome)
    }
  }
  stream.receiver = {
    onData: (chunk, isLast) => {
      stream.taken(chunk.length)
      if (stream.responded) return
      // Most messages come in one piece. Others are copied: a piece may be small, and keeps all that came with it.
      body = isLast && bytes === 0 ? chunk : appended(body, bytes, chunk)
      bytes += chunk.length
      if (bytes > bytesMax + prefixBytes) refuse(tooLarge(bytesMax))
    },
    onEnd: () => {
      if (stream.responded) return
      const message = Number.isNaN(call.timeoutMs) ? noTimeout : messageIn(body.subarray(0, bytes))
      body = nothing
      if ("http" in message) {
        refuse(message)
        return
      }
      let isDone = false
      freeSlot = () => {
        isDone = true
      }
      const leave = method.begin(call, () => decoded(method.input, message), sink)
      if (isDone) return
      // What goes on after its client has gone counts as long as it does.
      freeSlot = stream.holdSlot()
      if (!stream.closed && !stream.responded) cancel = leave
    },
    onDrain: () => onRoom(),
    onClose: () => {
      cancel()
      onRoom()
    }
  }
  const refuse = (status: WireStatus) => {
    body = nothing
    // INTERNAL is how gRPC blames a client for that; here it would be a bug of the gateway.
    method.refused(call, status === compressedUnnamed ? { ...status, code: Code.InvalidArgument } : status)
    answer(stream, method, call, { status })
  }
}

const prefixBytes = 5
const nothing: Buffer = Buffer.alloc(0)

/** The same buffer with a piece behind its first bytes, or a larger one. */
const appended = (body: Buffer, bytes: number, piece: Buffer): Buffer => {
  const length = bytes + piece.length
  const whole = length <= body.length ? body : Buffer.allocUnsafe(Math.max(length, 2 * body.length))
  if (whole !== body) body.copy(whole, 0, 0, bytes)
  whole.set(piece, bytes)
  return whole
}

/** The bytes of the one message of a unary call, or why there is none. */
const messageIn = (body: Buffer): Buffer | WireStatus => {
  if (body.length === 0) return unimplemented("the call has no message")
  const length = body.length < prefixBytes ? -1 : body.readUInt32BE(1)
  if (body.length < prefixBytes + length || length < 0) return unreadable("is cut short")
  if (body.length > prefixBytes + length) return unimplemented("a unary call has one message, and this one has more")
  if (body[0] !== 0) return compressedUnnamed
  return body.subarray(prefixBytes)
}

const decoded = (desc: DescMessage, bytes: Buffer): MessageShape<DescMessage> | Invalid => {
  const problem = wireProblem(desc, bytes)
  if (problem !== undefined) return invalid(problem)
  try {
    return fromBinary(desc, bytes, { recursionLimit, readUnknownFields: false })
  } catch (error) {
    const rule = `cannot be read: ${error instanceof Error ? error.message : "it is malformed"}`
    return invalid({ field: "message", rule })
  }
}

const noTimeout = statusOf(
  invalid({ field: "grpc-timeout", rule: "must be at most eight digits and one of H M S m u n" })
)

const unreadable = (rule: string): WireStatus => statusOf(invalid({ field: "message", rule }))

// The code is gRPC's own for this mistake of a client library.
const compressedUnnamed: WireStatus = {
  code: Code.Internal,
  http: 500,
  message: "the message is compressed, and grpc-encoding does not say how",
  details: [],
  headers: {}
}

const unimplemented = (message: string): WireStatus => ({
  code: Code.Unimplemented,
  http: 501,
  message,
  details: [],
  headers: {}
})

const callOf = (headers: Readonly<Record<string, string>>): GrpcCall => {
  const timeout = headers["grpc-timeout"]
  const timeoutMs = timeout === undefined ? undefined : grpcTimeoutMs(timeout)
  return {
    callId: callIdOf(headers["x-request-id"]),
    header: (name) => headers[name],
    headers: () => Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(":"))) as JsonObject,
    ...(timeoutMs === undefined ? {} : { timeoutMs })
  }
}

const headFields = (call: GrpcCall, { headers, status }: GrpcAnswer): Array<Field> => {
  const fields: Array<Field> = [
    [":status", "200"],
    ["content-type", "application/grpc+proto"],
    ["x-request-id", call.callId]
  ]
  add(fields, headers)
  add(fields, status?.headers)
  return fields
}

const answer = (stream: GrpcStream, method: GrpcMethod, call: GrpcCall, outcome: GrpcAnswer): void => {
  // The client may have gone while the call was under way; what it did stands.
  if (stream.closed) return
  const { message, status } = outcome
  const trailers =
    outcome.trailers === undefined ? trailersOf(status) : [...listed(outcome.trailers), ...trailersOf(status)]
  if (!stream.responded && message === undefined) {
    stream.respond([...headFields(call, outcome), ...trailers], true)
    return
  }
  if (!stream.responded) stream.respond(headFields(call, outcome))
  if (message !== undefined) stream.write(framed(method.output, message))
  stream.end(trailers)
}

const listed = (metadata: Metadata): ReadonlyArray<Field> => {
  const fields: Array<Field> = []
  add(fields, metadata)
  return fields
}

const add = (fields: Array<Field>, metadata: Metadata | undefined): void => {
  for (const name in metadata) {
    const value = metadata[name]!
    if (typeof value === "string") fields.push([name, value])
    else for (const one of value) fields.push([name, one])
  }
}

const framed = (desc: DescMessage, message: MessageShape<DescMessage>): Buffer => {
  const bytes = toBinary(desc, message)
  const frame = Buffer.allocUnsafe(prefixBytes + bytes.length)
  frame[0] = 0
  frame.writeUInt32BE(bytes.length, 1)
  frame.set(bytes, prefixBytes)
  return frame
}

const ok: ReadonlyArray<Field> = [["grpc-status", "0"]]

const trailersOf = (status: WireStatus | undefined): ReadonlyArray<Field> => {
  if (status === undefined) return ok
  const { code, message, details } = status
  const trailers: ReadonlyArray<Field> = [
    ["grpc-status", String(code)],
    ["grpc-message", percentEncoded(message)]
  ]
  if (details.length === 0) return trailers
  const packed: Array<Any> = details.map(({ desc, value }) => anyPack(desc, create(desc, value)))
  const bytes = toBinary(StatusSchema, create(StatusSchema, { code, message, details: packed }))
  return [...trailers, ["grpc-status-details-bin", Buffer.from(bytes).toString("base64").replaceAll("=", "")]]
}

/** As gRPC wants its messages: visible ASCII as it is, but for the percent sign itself. */
const percentEncoded = (text: string): string =>
  text.toWellFormed().replaceAll(/[^\x20-\x24\x26-\x7e]+/g, (run) => encodeURIComponent(run))
