import type { OversizedHandler } from "@stategate/http2"
import type { WholeAnswer } from "./answer.ts"

/** What is known of a request whose headers exceed the limits: perhaps nothing. */
export interface OversizedRequest {
  readonly path: string
  readonly header: (name: string) => string | undefined
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
