import { Code } from "@connectrpc/connect"
import { requestBytesMax, requestValuesMax } from "../../../application/limits.ts"
import type { Json } from "../../../domain/json.ts"
import { readJson } from "../../../domain/json-read.ts"
import { invalid } from "../../../domain/rejection.ts"
import { CallFailed } from "../call/gate.ts"
import { canceled, statusOf, type WireStatus } from "../call/status.ts"
import { isUtf8, parseMediaType } from "../http/media-type.ts"

const tooLarge = `must be at most ${requestBytesMax} bytes`

const refused = (rule: string): CallFailed => new CallFailed(statusOf(invalid({ field: "body", rule })))

const unsupported = (message: string): WireStatus => ({
  code: Code.InvalidArgument,
  http: 415,
  message,
  details: [],
  headers: {}
})

/** The JSON of a body; undefined if the body is empty. Throws `CallFailed`, and nothing else. */
export const readBody = async (request: Request): Promise<Json | undefined> => {
  const given = request.headers.get("content-type")
  const type = given === null ? undefined : parseMediaType(given)
  const typed = type?.essence === "application/json"
  if (given !== null && !typed) throw notJson
  if (typed && !isUtf8(type)) throw notUtf8
  const encoding = request.headers.get("content-encoding") ?? "identity"
  if (encoding.toLowerCase() !== "identity") {
    throw new CallFailed(unsupported("the content-encoding of a request is not supported; send it as it is"))
  }
  const bytes = await bytesOf(request)
  if (bytes.length === 0) return undefined
  if (!typed) throw notJson
  return parsed(bytes)
}

const notUtf8 = new CallFailed(unsupported("the charset of a request body must be utf-8, which JSON is anyway"))
const notJson = new CallFailed(unsupported("the content-type of a request body must be application/json"))

/** For calls whose fields are all in the path and the query: a body would be ignored, and its sender misled. */
export const refuseBody = async (request: Request): Promise<undefined> => {
  const bytes = await bytesOf(request)
  if (bytes.length > 0) throw refused("must be empty: all fields of this call are in the path and the query")
  return undefined
}

const parsed = (bytes: Uint8Array): Json => {
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    throw refused("must be UTF-8")
  }
  const read = readJson(text, requestValuesMax)
  if (read.ok) return read.value
  throw new CallFailed(statusOf(invalid({ field: read.path || "body", rule: read.rule })))
}

/** Stops reading where it is too much, whatever length was announced. */
const bytesOf = async (request: Request): Promise<Uint8Array> => {
  if (Number(request.headers.get("content-length") ?? 0) > requestBytesMax) throw refused(tooLarge)
  if (request.body === null) return new Uint8Array()
  const chunks: Array<Uint8Array> = []
  let length = 0
  const reader = request.body.getReader()
  while (true) {
    const chunk = await reader.read().catch(() => {
      throw new CallFailed(canceled)
    })
    if (chunk.done) break
    length += chunk.value.length
    if (length > requestBytesMax) {
      // Not waited for: the rest may never come.
      reader.cancel().catch(() => {})
      throw refused(tooLarge)
    }
    chunks.push(chunk.value)
  }
  if (chunks.length === 1) return chunks[0]!
  const whole = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}
