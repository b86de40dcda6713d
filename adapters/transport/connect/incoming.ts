// What a request is made of before connect-es sees it: decompressed within bounds, and looked through before it is
// decoded. Nothing is read before the handler asks for it, and it asks only for authenticated callers.

import type { DescMessage } from "@bufbuild/protobuf"
import { base64Decode } from "@bufbuild/protobuf/wire"
import { Code, ConnectError } from "@connectrpc/connect"
import type { Compression, UniversalServerRequest } from "@connectrpc/connect/protocol"
import { decompressedValuesPerByte, decompressedValuesSmall, requestValuesMax } from "../../../application/limits.ts"
import { jsonFault } from "../../../domain/json-read.ts"
import { invalid } from "../../../domain/rejection.ts"
import { statusOf } from "../call/status.ts"
import { wireProblem } from "../call/wire-scan.ts"
import { connectError } from "./routes.ts"

type Body = AsyncIterable<Uint8Array>

/** How the messages of one request are written, and how large they may be. */
interface Form {
  readonly desc: DescMessage
  readonly isJson: boolean
  readonly compression: Compression | undefined
  readonly bytesMax: number
}

/** The client has left, or broke its request off: nobody hears the answer. */
export const gone = new ConnectError("the client has gone", Code.Canceled)

/**
 * The same request with a body of messages that can be decoded at a bounded cost; reading it fails with a `ConnectError`
 * if they cannot. The body is read as the handler reads it.
 */
export const checkedRequest = (
  request: UniversalServerRequest,
  desc: DescMessage,
  compressions: ReadonlyArray<Compression>,
  bytesMax: number
): UniversalServerRequest => {
  const type = request.header.get("content-type") ?? ""
  const isUnary = type === "application/json" || type === "application/proto"
  const encodingOf = isUnary
    ? "content-encoding"
    : type.startsWith("application/connect+")
      ? connectEncoding
      : grpcEncoding
  const encoding = request.header.get(encodingOf) ?? "identity"
  const compression = compressions.find(({ name }) => name === encoding)
  const form: Form = { desc, isJson: type.endsWith("json"), compression, bytesMax }
  const body = arriving(request.body as Body)
  if (!isUnary) return { ...request, body: checkedFrames(body, form) }
  // Its handler would make room for so many bytes before any of them has come.
  request.header.delete("content-length")
  if (compression !== undefined) {
    request.header.delete(encodingOf)
    // Answers are compressed as the request is unless it says otherwise.
    if (!request.header.has("accept-encoding")) request.header.set("accept-encoding", encoding)
  }
  return { ...request, body: checkedWhole(body, form) }
}

const connectEncoding = "connect-content-encoding"
const grpcEncoding = "grpc-encoding"

/** Throws if the message in the query of a Connect GET cannot be decoded at a bounded cost. */
export const checkQuery = async (
  url: string,
  desc: DescMessage,
  compressions: ReadonlyArray<Compression>,
  bytesMax: number
): Promise<void> => {
  const query = new URL(url).searchParams
  const text = query.get("message") ?? ""
  const isJson = query.get("encoding") === "json"
  const compression = compressions.find(({ name }) => name === query.get("compression"))
  const bytes = query.get("base64") === "1" ? base64Of(text) : new TextEncoder().encode(text)
  await checked(bytes, { desc, isJson, compression, bytesMax })
}

const base64Of = (text: string): Uint8Array => {
  try {
    return base64Decode(text)
  } catch {
    throw connectError(statusOf(invalid({ field: "message", rule: "must be base64" })))
  }
}

/** A body whose failures are those of its client. */
const arriving = async function* (body: Body): Body {
  try {
    yield* body
  } catch (error) {
    throw error instanceof ConnectError ? error : gone
  }
}

const tooLarge = (bytesMax: number): ConnectError =>
  new ConnectError(`the message is larger than ${bytesMax} bytes`, Code.ResourceExhausted)

/** Decompresses a message if it is compressed, and looks at what would be decoded. */
const checked = async (bytes: Uint8Array, { desc, isJson, compression, bytesMax }: Form): Promise<Uint8Array> => {
  const message = compression === undefined ? bytes : await compression.decompress(bytes, bytesMax)
  const valuesMax = compression === undefined ? requestValuesMax : compressedValuesMax(bytes.length)
  const problem = isJson ? jsonProblem(message, valuesMax) : wireProblem(desc, message, valuesMax)
  if (problem !== undefined) throw connectError(statusOf(invalid(problem)))
  return message
}

/** What a few bytes may become costs no more than if they had not been compressed. */
const compressedValuesMax = (bytes: number): number =>
  Math.min(requestValuesMax, decompressedValuesSmall + bytes * decompressedValuesPerByte)

const jsonProblem = (bytes: Uint8Array, valuesMax: number) => {
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return { field: "message", rule: "must be UTF-8" }
  }
  const fault = jsonFault(text, valuesMax)
  return fault && { field: fault.path || "message", rule: fault.rule }
}

const checkedWhole = async function* (body: Body, form: Form): Body {
  const chunks: Array<Uint8Array> = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > form.bytesMax) throw tooLarge(form.bytesMax)
    chunks.push(chunk)
  }
  yield await checked(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length), form)
}

const prefixBytes = 5
const isCompressed = 1

/** The frames of gRPC, gRPC-web and Connect's streams: a byte of flags, the length of a message, and the message. */
const checkedFrames = async function* (body: Body, form: Form): Body {
  let chunks: Array<Uint8Array> = []
  let held = 0
  let wanted = prefixBytes
  for await (const chunk of body) {
    chunks.push(chunk)
    held += chunk.length
    // Put together only once it is complete: a client that sends byte by byte would have it copied each time.
    while (held >= wanted) {
      const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, held)
      const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1)
      if (length > form.bytesMax) throw tooLarge(form.bytesMax)
      wanted = prefixBytes + length
      chunks = [bytes]
      if (held < wanted) break
      yield await checkedFrame(bytes.subarray(0, wanted), form)
      chunks = [bytes.subarray(wanted)]
      held -= wanted
      wanted = prefixBytes
    }
  }
  // Less than a frame: its handler says what is missing.
  yield* chunks
}

const checkedFrame = async (frame: Uint8Array, form: Form): Promise<Uint8Array> => {
  const flags = frame[0]!
  const isPacked = (flags & isCompressed) !== 0
  // Its handler refuses what is compressed without saying how.
  if (isPacked && form.compression === undefined) return frame
  const message = frame.subarray(prefixBytes)
  if (!isPacked) {
    await checked(message, { ...form, compression: undefined })
    return frame
  }
  const unpacked = await checked(message, form)
  const whole = new Uint8Array(prefixBytes + unpacked.length)
  whole[0] = flags & ~isCompressed
  new DataView(whole.buffer).setUint32(1, unpacked.length)
  whole.set(unpacked, prefixBytes)
  return whole
}
