import type { ServerResponse } from "node:http"
import type { OversizedHandler } from "@stategate/http2"

/** What is known of a request whose headers exceed the limits: perhaps nothing. */
export interface OversizedRequest {
  readonly path: string
  readonly header: (name: string) => string | undefined
}

/** An answer that is complete. */
export interface WholeAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Answers a request whose headers exceed the limits. */
export type RefuseOversized = (request: OversizedRequest) => WholeAnswer

export const refuseWithoutBody: RefuseOversized = () => ({ status: 431, headers: {}, body: "" })

export const oversizedStreams =
  (refuse: RefuseOversized): OversizedHandler =>
  (stream) => {
    const { path, headers } = stream.head
    const answer = refuse({ path, header: (name) => headers[name] })
    stream.respond([[":status", String(answer.status)], ...Object.entries(answer.headers)], answer.body === "")
    if (answer.body === "") return
    stream.write(Buffer.from(answer.body))
    stream.end()
  }

export const answerWhole = (response: ServerResponse, { status, headers, body }: WholeAnswer): void => {
  response.writeHead(status, headers).end(body)
}

/** For a connection whose parser gave up, so that there is no response to write to. It closes after this. */
export const lastAnswer = ({ status, headers, body }: WholeAnswer): string => {
  const fields = { ...headers, "content-length": String(Buffer.byteLength(body)), connection: "close" }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${status} Request Header Fields Too Large`, ...lines, "", body].join("\r\n")
}
