import type { IncomingMessage } from "node:http"
import { callIdOf } from "../call/call-id.ts"

/** What is known of a request that is not served: perhaps nothing. */
export interface RequestHead {
  /** The target, as it was sent. */
  readonly path: string
  /** A header by its name in lower case. */
  readonly header: (name: string) => string | undefined
}

export const headOf = (request: IncomingMessage): RequestHead => ({
  path: request.url ?? "",
  header: (name) => {
    const value = request.headers[name]
    return typeof value === "string" ? value : undefined
  }
})

/** The id of the call that a request is. */
export const callIdOfRequest = (request: IncomingMessage): string => callIdOf(headOf(request).header("x-request-id"))

/** What can be made of the beginning of a request that a parser gave up on. */
export const headOfText = (text: string): RequestHead => {
  const lines = text.trimStart().split("\r\n")
  // What comes behind the last line break may be half of a line.
  lines.pop()
  const [, path = ""] = /^\S+ (\S+) HTTP\//.exec(lines[0] ?? "") ?? []
  return {
    path,
    header: (name) => {
      const line = lines.find((one) => one[name.length] === ":" && one.slice(0, name.length).toLowerCase() === name)
      return line?.slice(name.length + 1).trim()
    }
  }
}
