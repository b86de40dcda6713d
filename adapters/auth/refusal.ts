import { Unauthenticated } from "../../application/failure.ts"

/** The caller sent no token, and needs one. */
export const noToken: Unauthenticated = new Unauthenticated({ message: "a bearer token is required" })

/** What came is not the one bearer token that a call may have. */
export const malformed: Unauthenticated = new Unauthenticated({
  message: "authorization must be the word Bearer, a space and one token",
  error: "invalid_request"
})

/** A token that is not believed. Callers learn no more than that; the reason is for the log. */
export const refused = (reason: string): Unauthenticated =>
  new Unauthenticated({ message: "the token is not valid", error: "invalid_token", reason })

/** Words from a token, short enough for a line of the log. */
export const quoted = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "nothing"
  return text.length <= 100 ? text : `${text.slice(0, 100).toWellFormed()}…`
}
