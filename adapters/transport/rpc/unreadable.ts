import type { UniversalServerResponse } from "@connectrpc/connect/protocol"

const utf8 = { encoder: new TextEncoder(), decoder: new TextDecoder() }

type Chunks = AsyncIterator<Uint8Array>

/**
 * An answer that was made before its call began, with INTERNAL turned into INVALID_ARGUMENT: the message could not be
 * read, which connect-es blames on the server and which only the client can mend. Anything else passes as it is.
 */
export const asInvalid = async (
  answer: UniversalServerResponse,
  first: IteratorResult<Uint8Array> | undefined,
  rest: Chunks | undefined
): Promise<UniversalServerResponse> => {
  if (answer.trailer?.get("grpc-status") === "13") answer.trailer.set("grpc-status", "3")
  const chunks: Array<Uint8Array> = []
  for (let chunk = first; chunk !== undefined && chunk.done !== true; chunk = await rest?.next()) {
    chunks.push(chunk.value)
  }
  const type = answer.header?.get("content-type") ?? ""
  const isUnaryConnect = answer.status === 500 && type === "application/json"
  const body = isUnaryConnect
    ? [retold(Buffer.concat(chunks))]
    : type.startsWith("application/grpc-web") || type.startsWith("application/connect")
      ? [enveloped(Buffer.concat(chunks))]
      : chunks
  if (isUnaryConnect) answer.header?.delete("content-length")
  return { ...answer, status: isUnaryConnect ? 400 : answer.status, body: iterate(body) }
}

/** The one envelope of such a body: a flag, the length of what follows, and the status as text. */
const enveloped = (body: Uint8Array): Uint8Array => {
  if (body.length < 5) return body
  const status = retold(body.subarray(5))
  const envelope = new Uint8Array(5 + status.length)
  envelope[0] = body[0]!
  new DataView(envelope.buffer).setUint32(1, status.length)
  envelope.set(status, 5)
  return envelope
}

const retold = (text: Uint8Array): Uint8Array =>
  utf8.encoder.encode(
    utf8.decoder
      .decode(text)
      .replace('"code":"internal"', '"code":"invalid_argument"')
      .replace(/^grpc-status: 13\b/m, "grpc-status: 3")
  )

async function* iterate(chunks: ReadonlyArray<Uint8Array>): AsyncIterable<Uint8Array> {
  yield* chunks
}
