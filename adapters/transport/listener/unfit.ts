import type { ListenerLimits } from "../../../application/limits.ts"
import type { RefusedReason } from "../../../application/telemetry.ts"
import { callIdOf } from "../rpc/gate.ts"
import {
  callIdOfRequest,
  type OwnAnswer,
  type UnfitName,
  unfitAnswers,
  type WholeAnswer,
  wholeAnswer
} from "./answer.ts"
import type { Request } from "./http1-messages.ts"
import type { RefuseOversized } from "./oversized.ts"

/** How the listener answers what it does not hand on. */
export interface Refusing {
  /** Told of it; and how it was answered, where nobody else was told of that. */
  readonly onRefused: (reason: RefusedReason, answer?: OwnAnswer & { readonly callId: string }) => void
  readonly refuseOversized: RefuseOversized
}

export type Unfit = UnfitName | "too_large"

/** What is wrong with the head of a request, beside what the parser found. */
export const problemOf = ({ rawHeaders, httpVersion }: Request, { headersMax }: ListenerLimits): Unfit | undefined => {
  if (rawHeaders.length / 2 > headersMax) return "too_large"
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.length === 4 && rawHeaders[i]!.toLowerCase() === "host") hosts += 1
  }
  // RFC 9112, 3.2: two readers of one request must not see two different hosts.
  return hosts > 1 || (hosts === 0 && httpVersion !== "1.0") ? "host" : undefined
}

/** Answers input that cannot be served as a request, also where it could not be parsed. */
export const unfitAnswer = ({ onRefused, refuseOversized }: Refusing, name: Unfit, request?: Request): WholeAnswer => {
  if (name === "too_large") {
    onRefused(name)
    return refuseOversized({ path: request?.url ?? "", header: (field) => request?.headersDistinct[field]?.[0] })
  }
  const callId = request === undefined ? callIdOf(undefined) : callIdOfRequest(request)
  onRefused(name, { ...unfitAnswers[name], callId })
  return wholeAnswer(unfitAnswers[name], callId)
}
