// The base64 form of gRPC-web, which the browser client of gRPC speaks by default, and which is the only one
// in which it receives streams.

import { invalid } from "../../../domain/rejection.ts"
import { statusOf } from "../call/status.ts"
import type { MediaType } from "../http/media-type.ts"
import { connectError } from "./routes.ts"

const binary = "application/grpc-web"
const text = "application/grpc-web-text"

export interface WebText {
  /** The content type of the same call in the binary form; undefined if the request has that already. */
  readonly requestType: string | undefined
  readonly isAnswerText: boolean
}

/** How a call uses the form: a client may send one and accept the other. */
export const webTextOf = ({ essence }: MediaType, accept: string | undefined): WebText => {
  const isText = essence === text || essence.startsWith(`${text}+`)
  const isWeb = isText || essence === binary || essence.startsWith(`${binary}+`)
  const accepted = (accept ?? "").toLowerCase()
  return {
    requestType: isText ? binary + essence.slice(text.length) : undefined,
    isAnswerText: isWeb && (accepted.includes(text) || (isText && !accepted.includes(binary)))
  }
}

/** The content type of an answer in this form. */
export const textType = (type: string): string =>
  type.startsWith(binary) && !type.startsWith(text) ? text + type.slice(binary.length) : type

/** Bytes as text that is padded by itself, so that it can be decoded as soon as it has arrived. */
export const toText = (bytes: Uint8Array): Buffer =>
  Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64"), "latin1")

/** The bytes of a body that may be any number of padded texts, one after the other. */
export const fromText = async function* (body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let rest = ""
  for await (const chunk of body) {
    const arrived = rest + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("latin1")
    const whole = arrived.length - (arrived.length % 4)
    rest = arrived.slice(whole)
    if (whole > 0) yield decoded(arrived.slice(0, whole))
  }
  if (rest !== "") throw notBase64
}

const decoded = (arrived: string): Uint8Array => {
  const parts = arrived.split(/(?<==)(?!=)/)
  for (const part of parts) if (part.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(part)) throw notBase64
  return Buffer.concat(parts.map((part) => Buffer.from(part, "base64")))
}

const notBase64 = connectError(
  statusOf(invalid({ field: "body", rule: "must be base64, padded, in parts of any length" }))
)
