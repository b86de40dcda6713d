import { type ServerResponse, STATUS_CODES } from "node:http"
import { Code } from "@connectrpc/connect"
import type { Refusal } from "@stategate/http2"
import { statusJson } from "../call/status-json.ts"
import type { RequestHead } from "../http/request-head.ts"

/** An answer that is complete. */
export interface WholeAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What the listener says by itself, of a request that it cannot hand on. */
export interface OwnAnswer {
  readonly http: number
  readonly code: Code
  readonly message: string
  readonly headers: Readonly<Record<string, string>>
}

const own = (http: number, code: Code, message: string, headers: OwnAnswer["headers"] = {}): OwnAnswer => ({
  http,
  code,
  message,
  headers
})
const tryAgain = { "retry-after": "1" }

/** Requests that cannot be served. */
export const unfitAnswers = {
  malformed: own(400, Code.InvalidArgument, "the request is not HTTP/1.1 as RFC 9112 defines it"),
  host: own(
    400,
    Code.InvalidArgument,
    "the request must have exactly one Host header, with a host and, if needed, a port up to 65535"
  ),
  late: own(408, Code.DeadlineExceeded, "the request took too long to arrive"),
  connect: own(405, Code.Unimplemented, "CONNECT does not work here")
} as const satisfies Record<string, OwnAnswer>

export type UnfitName = keyof typeof unfitAnswers

/** Requests that could be served at another time. */
export const refusalAnswers = {
  requests: own(503, Code.Unavailable, "the gateway has too many requests under way; try again", tryAgain),
  memory: own(503, Code.Unavailable, "the gateway holds too much for slow clients; try again", tryAgain),
  address_requests: own(
    429,
    Code.ResourceExhausted,
    "your address has too many requests under way; try again when some are answered",
    tryAgain
  ),
  address_memory: own(
    429,
    Code.ResourceExhausted,
    "your address leaves too much unread or incomplete; try again when it is less",
    tryAgain
  )
} as const satisfies Record<Refusal, OwnAnswer>

/** Headers that every answer to a request has, such as those that let a page of another origin read it. */
export type CommonHeaders = (header: RequestHead["header"]) => Readonly<Record<string, string>>

/** As a Status in JSON, with the id of the call. */
export const wholeAnswer = (answer: OwnAnswer, callId: string, common: WholeAnswer["headers"]): WholeAnswer => {
  const { code, http, message } = answer
  const status = { code, http, message, details: [], headers: {} }
  return {
    status: http,
    headers: { ...common, ...answer.headers, "x-request-id": callId, "content-type": "application/json" },
    body: JSON.stringify(statusJson(status))
  }
}

export const answerWhole = (response: ServerResponse, { status, headers, body }: WholeAnswer): void => {
  response.writeHead(status, { ...headers, "content-length": String(Buffer.byteLength(body)) }).end(body)
}

/** For a connection whose parser gave up, so that there is no response to write to. It closes after this. */
export const lastAnswer = ({ status, headers, body }: WholeAnswer): string => {
  const fields = { ...headers, "content-length": String(Buffer.byteLength(body)), connection: "close" }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, "", body].join("\r\n")
}
