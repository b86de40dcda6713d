import type { OversizedHandler } from "@stategate/http2"
import type { RequestHead } from "../http/request-head.ts"
import type { WholeAnswer } from "./answer.ts"

/** Answers a request whose headers exceed the limits. */
export type RefuseOversized = (request: RequestHead) => WholeAnswer

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
