import { create, toBinary } from "@bufbuild/protobuf"
import { base64Encode } from "@bufbuild/protobuf/wire"
import { Code } from "@connectrpc/connect"
import type { UniversalServerResponse } from "@connectrpc/connect/protocol"
import { codeFromString } from "@connectrpc/connect/protocol-connect"
import { BadRequestSchema } from "../../../proto/gen/google/rpc/error_details_pb.js"

const utf8 = { encoder: new TextEncoder(), decoder: new TextDecoder() }

type Chunks = AsyncIterator<Uint8Array>

/** How connect-es begins to tell that bytes are no message, in JSON as well as in a `grpc-message`. */
const noMessage = /parse(?: |%20)binary/

/** An answer as a whole: what refuses a call is short. */
export interface Refusal extends Omit<UniversalServerResponse, "body"> {
  readonly body: Uint8Array
}

/**
 * An answer that was made before its call began, with INTERNAL turned into INVALID_ARGUMENT if the message could not be
 * read, which connect-es blames on the server and which only the client can mend. Anything else passes as it is.
 */
export const asInvalid = async (
  answer: UniversalServerResponse,
  first: IteratorResult<Uint8Array> | undefined,
  rest: Chunks | undefined
): Promise<Refusal> => {
  const { header, trailer } = answer
  if (trailer?.get("grpc-status") === "13" && noMessage.test(trailer.get("grpc-message") ?? "")) {
    trailer.set("grpc-status", "3")
  }
  const chunks: Array<Uint8Array> = []
  for (let chunk = first; chunk !== undefined && chunk.done !== true; chunk = await rest?.next()) {
    chunks.push(chunk.value)
  }
  const body = Buffer.concat(chunks)
  const type = header?.get("content-type") ?? ""
  if (type.startsWith("application/grpc-web") || type.startsWith("application/connect")) {
    return { ...answer, body: enveloped(body) }
  }
  const isStatus = answer.status >= 400 && type === "application/json" && !header?.has("content-encoding")
  const refusal = isStatus ? detailed(withRightCode(body) ?? body) : undefined
  if (refusal === undefined) return { ...answer, body }
  header?.delete("content-length")
  return { ...answer, status: 400, body: refusal }
}

/** How a refusal counts: INTERNAL is how gRPC blames a client for a frame, and here would be a bug of the gateway. */
export const countedCode = (refusal: Refusal): Code => {
  const code = codeOf(refusal)
  if (code !== Code.Internal) return code
  const text = utf8.decoder.decode(refusal.body) + (refusal.trailer?.get("grpc-message") ?? "")
  return /compressed(?: |%20)envelope/.test(text) ? Code.InvalidArgument : code
}

/** The code that a refusal tells its caller, wherever its protocol has it. */
const codeOf = ({ status, header, trailer, body }: Refusal): Code => {
  const text = utf8.decoder.decode(body)
  const digits = trailer?.get("grpc-status") ?? header?.get("grpc-status") ?? /^grpc-status: (\d+)/m.exec(text)?.[1]
  if (digits !== undefined && digits !== null) return Number(digits)
  const [, name] = /"code":"(\w+)"/.exec(text) ?? []
  if (name !== undefined) return codeFromString(name) ?? Code.Unknown
  // Answers without a body refuse the kind of the request.
  return status === 404 || status === 405 ? Code.Unimplemented : Code.InvalidArgument
}

/** The status of Connect's unary calls, with the violation that clients look for; undefined if it is of another kind. */
const detailed = (bytes: Uint8Array): Uint8Array | undefined => {
  const status = JSON.parse(utf8.decoder.decode(bytes)) as {
    readonly code?: string
    readonly message?: string
    readonly details?: ReadonlyArray<unknown>
  }
  if (status.code !== "invalid_argument" || (status.details?.length ?? 0) > 0) return undefined
  const description = `cannot be read: ${status.message ?? ""}`
  const request = create(BadRequestSchema, { fieldViolations: [{ field: "message", description }] })
  const value = base64Encode(toBinary(BadRequestSchema, request), "std_raw")
  return utf8.encoder.encode(JSON.stringify({ ...status, details: [{ type: BadRequestSchema.typeName, value }] }))
}

const isCompressed = 1

/** The one envelope of such a body: flags, the length of what follows, and the status as text. */
const enveloped = (body: Uint8Array): Uint8Array => {
  if (body.length < 5 || (body[0]! & isCompressed) !== 0) return body
  const status = withRightCode(body.subarray(5))
  if (status === undefined) return body
  const envelope = new Uint8Array(5 + status.length)
  envelope[0] = body[0]!
  new DataView(envelope.buffer).setUint32(1, status.length)
  envelope.set(status, 5)
  return envelope
}

/** The status with another code, if it is one that blames the wrong side. */
const withRightCode = (bytes: Uint8Array): Uint8Array | undefined => {
  const text = utf8.decoder.decode(bytes)
  return noMessage.test(text)
    ? utf8.encoder.encode(
        text.replace('"code":"internal"', '"code":"invalid_argument"').replace(/^grpc-status: 13\b/m, "grpc-status: 3")
      )
    : undefined
}
