import type { Refusal } from "@stategate/http2"
import type { ListenerLimits } from "../../../application/limits.ts"
import type { RefusedReason } from "../../../application/telemetry.ts"
import { callIdOf } from "../call/call-id.ts"
import { isHost } from "../http/host.ts"
import type { RequestHead } from "../http/request-head.ts"
import {
  type CommonHeaders,
  type OwnAnswer,
  refusalAnswers,
  type UnfitName,
  unfitAnswers,
  type WholeAnswer,
  wholeAnswer
} from "./answer.ts"
import type { Request } from "./http1-messages.ts"
import type { RefuseOversized } from "./oversized.ts"

/** How the listener answers what it does not hand on. */
export interface Refusing {
  /** Called for each; with the answer, unless that is recorded elsewhere. */
  readonly onRefused: (reason: RefusedReason, answer?: OwnAnswer & { readonly callId: string }) => void
  readonly refuseOversized: RefuseOversized
  /** Of every answer to a request whose headers are known. */
  readonly commonHeaders: CommonHeaders
}

export type Unfit = UnfitName | "too_large"

/** What is wrong with the head of a request, beside what the parser found. */
export const problemOf = ({ rawHeaders, httpVersion }: Request, { headersMax }: ListenerLimits): Unfit | undefined => {
  if (rawHeaders.length / 2 > headersMax) return "too_large"
  // RFC 9112, 3.2: two readers of one request must not see two different hosts.
  let host: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.length !== 4 || rawHeaders[i]!.toLowerCase() !== "host") continue
    if (host !== undefined) return "host"
    host = rawHeaders[i + 1]!
  }
  if (host === undefined) return httpVersion === "1.0" ? undefined : "host"
  return isHost(host) ? undefined : "host"
}

/** Answers input that cannot be served as a request, also where it could not be parsed. */
export const unfitAnswer = (refusing: Refusing, name: Unfit, head: RequestHead): WholeAnswer => {
  const { onRefused, refuseOversized, commonHeaders } = refusing
  if (name === "too_large") {
    onRefused(name)
    return refuseOversized(head)
  }
  const callId = callIdOf(head.header("x-request-id"))
  onRefused(name, { ...unfitAnswers[name], callId })
  return wholeAnswer(unfitAnswers[name], callId, commonHeaders(head.header))
}

/** Answers a request that could be served at another time. */
export const refusalAnswer = ({ commonHeaders }: Refusing, refusal: Refusal, { header }: RequestHead): WholeAnswer =>
  wholeAnswer(refusalAnswers[refusal], callIdOf(header("x-request-id")), commonHeaders(header))
