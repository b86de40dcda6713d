import { nameBytesMax } from "../../../application/limits.ts"
import type { Invalid } from "../../../domain/rejection.ts"
import { isInvalid, type Source } from "./pipeline.ts"

type Names = { readonly domain?: string; readonly type?: string }

/** A source whose names are kept for the log once it was read, and the message is not. */
export const reading = <M extends object>(source: Source<M>, about: (message: M) => Names) => {
  let names: Names = {}
  if (typeof source !== "function") {
    names = named(about(source))
    return { read: source, names: () => names }
  }
  const read = (): M | Invalid => {
    const message = source()
    if (!isInvalid(message)) names = named(about(message))
    return message
  }
  return { read, names: () => names }
}

const named = ({ domain, type }: Names): Names => ({
  ...(domain === undefined || domain === "" ? {} : { domain: short(domain) }),
  ...(type === undefined || type === "" ? {} : { type: short(type) })
})

/** A name may be anything before it is checked, and the log must not grow with what was refused. */
const short = (name: string): string => (name.length <= nameBytesMax ? name : `${name.slice(0, nameBytesMax)}…`)
