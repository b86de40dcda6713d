import type { IncomingMessage } from "node:http"
import { Code } from "@connectrpc/connect"
import type { WireStatus } from "../call/status.ts"
import { isHost } from "./host.ts"

/** The target of a request in origin form, as it was sent: the path that was compared elsewhere is the path served here. */
export interface Target {
  readonly path: string
  readonly query: string
}

/** Parts of a target. Nothing in it is decoded or resolved. */
export const partsOf = (target: string): Target => {
  const mark = target.indexOf("?")
  return mark < 0 ? { path: target, query: "" } : { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

/** The target of a URL that a platform made, and may have resolved. */
export const targetOfUrl = (url: string): string => {
  const [whole = ""] = url.split("#", 1)
  return whole.slice(whole.indexOf("/", whole.indexOf("://") + 3))
}

const dot = "(?:\\.|%2e)"
const dotSegment = new RegExp(`(?:^|/)${dot}{1,2}(?:/|$)`, "i")

/** Why a target is refused whatever it is for, or undefined. */
export const targetProblem = (target: string): string | undefined => {
  if (!target.startsWith("/")) return "the request target must be a path, or an http or https URL"
  if (!/^[\x21-\x7e]*$/.test(target)) return "the request target must be ASCII; percent-encode what is not, as UTF-8"
  if (target.includes("#")) return "the request target must not have a fragment; percent-encode # as %23"
  const { path } = partsOf(target)
  if (path.includes("\\")) return "the path must not hold a backslash; percent-encode it as %5C"
  // A proxy may have compared the path before or after it resolved them, and no name can be one.
  if (dotSegment.test(path)) return "the path must not hold the segments . and .., encoded or not"
  return undefined
}

/** A target in absolute form as origin form, and the authority that it names; undefined if it is in another form. */
export const originForm = (target: string): { readonly target: string; readonly authority: string } | undefined => {
  const [, authority, rest] = /^https?:\/\/([^/?#@\\]+)(.*)$/is.exec(target) ?? []
  if (authority === undefined || rest === undefined) return undefined
  return { authority, target: rest.startsWith("/") ? rest : `/${rest}` }
}

const badRequest = (message: string): WireStatus => ({
  code: Code.InvalidArgument,
  http: 400,
  message,
  details: [],
  headers: {}
})

const noHost = badRequest("the Host header must be a host, and a port up to 65535 if it needs one")

/**
 * Puts the target of a request into origin form, and its authority, if it has one, in the place of the Host header, as
 * RFC 9112 asks. The status says why a target or a Host is refused, before anything is looked up by them.
 */
export const admitTarget = (request: IncomingMessage): WireStatus | undefined => {
  const absolute = originForm(request.url ?? "")
  if (absolute !== undefined) {
    request.url = absolute.target
    request.headers.host = absolute.authority
  }
  const { host } = request.headers
  if (host !== undefined && !isHost(host)) return noHost
  if (request.method === "OPTIONS" && request.url === "*") return undefined
  const problem = targetProblem(request.url ?? "")
  return problem === undefined ? undefined : badRequest(problem)
}
