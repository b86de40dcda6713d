import { callIdBytesMax } from "../../../application/limits.ts"

/** The id of a call: the caller's own if it is fit for logs, else a new one. */
export const callIdOf = (given: string | undefined): string =>
  given !== undefined && given.length <= callIdBytesMax && /^[\w.:+/=@-]+$/.test(given) ? given : crypto.randomUUID()
