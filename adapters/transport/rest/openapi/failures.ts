import { Code } from "@connectrpc/connect"
import { codeToString } from "@connectrpc/connect/protocol-connect"
import type { Failure } from "../../../../application/failure.ts"
import { internal, table } from "../../call/status.ts"
import type { Answer, Schema } from "../../openapi.ts"
import type { Route } from "../routes.ts"
import { type Header, headers } from "./headers.ts"
import { creates, isStream, isVersioned, namesEvents } from "./traits.ts"

type FailureText = {
  /** For the caller: what happened, and what they may do. */
  readonly when: string
  /** The calls that can fail like this. */
  readonly on: (route: Route) => boolean
}

const every = () => true
const changes = ({ method }: Route) => method?.mutates === true

/** Every failure in the words of the reference. A missing row does not compile. */
const failureTexts: Readonly<Record<Failure["_tag"], FailureText>> = {
  Invalid: { when: "the request breaks a rule; the details say which", on: every },
  NotFound: {
    when: "there is no such entity or event",
    on: (route) => route.segments.some((segment) => "field" in segment) && !creates(route)
  },
  Conflict: { when: "the entity is at another version than expected", on: changes },
  KeyReused: { when: "the idempotency key was used before, with another request", on: changes },
  Erased: { when: "the values of that event were erased", on: (route) => changes(route) && namesEvents(route) },
  TooLarge: { when: "the answer would be too large; ask for less at once", on: every },
  OutOfRange: { when: "the place of the cursor is not in the log any more", on: isStream },
  Unavailable: { when: "the gateway cannot serve now, and nothing was stored: try again", on: every },
  // To callers it looks the same as the one before.
  Draining: { when: "the gateway is shutting down", on: () => false },
  OutcomeUnknown: {
    when: "whether the change was stored could not be learned: retry with the same idempotency key",
    on: changes
  },
  // As any other bug looks, which every call may meet.
  Defect: { when: "the gateway has a bug", on: () => false },
  Overloaded: { when: "too much is waiting already: try again after a while", on: every },
  LogRewound: { when: "the log under the stream went back in time", on: isStream },
  Unauthenticated: { when: "nobody vouches for the caller, or the token has expired", on: every },
  PermissionDenied: { when: "the policy does not allow the call", on: every },
  DeadlineExceeded: { when: "the deadline passed first", on: every }
}

interface Reason {
  readonly http: number
  /** As google.rpc.Code has it. */
  readonly code: string
  readonly when: string
}

const nameOf = (code: Code): string => codeToString(code).toUpperCase()

const reasonsOf = (route: Route): ReadonlyArray<Reason> => {
  const tags = (Object.keys(failureTexts) as ReadonlyArray<Failure["_tag"]>).filter((tag) =>
    failureTexts[tag].on(route)
  )
  const reasons = tags.map(
    (tag): Reason => ({
      http: table[tag].http,
      code: nameOf(table[tag].code),
      when: failureTexts[tag].when
    })
  )
  const { code, http } = table.Conflict
  if (changes(route) && isVersioned(route)) {
    reasons.push({ http: 412, code: nameOf(code), when: `the same as ${http}, when a header set the condition` })
  }
  if (route.body !== "") {
    reasons.push({ http: 415, code: nameOf(Code.InvalidArgument), when: "the body is not plain application/json" })
  }
  return [
    ...reasons,
    { http: internal.http, code: nameOf(internal.code), when: "a defect; the gateway's log has more" }
  ]
}

const headersOf: Readonly<Record<number, ReadonlyArray<Header>>> = {
  401: ["www-authenticate"],
  409: ["stategate-version"],
  412: ["stategate-version"],
  429: ["retry-after"]
}

/** The ways in which a call can fail, by HTTP status. */
export const failuresOf = (route: Route, status: Schema): ReadonlyArray<readonly [http: string, answer: Answer]> => {
  const byStatus = [...Map.groupBy(reasonsOf(route), ({ http }) => http)].sort(([a], [b]) => a - b)
  return byStatus.map(([http, reasons]) => [
    String(http),
    {
      description: reasons.map(({ code, when }) => `\`${code}\`: ${when}.`).join("\n\n"),
      headers: headers("x-request-id", ...(headersOf[http] ?? [])),
      content: { "application/json": { schema: status } }
    }
  ])
}

/** `google.rpc.Status`, as it is written here. */
export const statusSchema: Schema = {
  type: "object",
  description: "A failure: google.rpc.Status as JSON.",
  required: ["code", "message", "details"],
  properties: {
    code: { type: "integer", format: "int32", description: "A google.rpc.Code, such as 5 for NOT_FOUND." },
    message: { type: "string", description: "For developers, in English." },
    details: {
      type: "array",
      description:
        "A google.rpc.BadRequest names each field and the rule that it breaks. A google.rpc.ErrorInfo with the reason " +
        "VERSION_MISMATCH has the current_version.",
      items: { type: "object", required: ["@type"], properties: { "@type": { type: "string" } } }
    }
  }
}
