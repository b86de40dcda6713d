/** A broken rule and its path in JSON; `path` is empty for the whole value. */
export interface JsonFault {
  readonly path: string
  readonly rule: string
}

/** The most characters of a key that a path shows: keys may be long, and paths go into error messages. */
const keyCharsMax = 64

/** A path of keys and indexes, from the outermost, as errors show it: `a.b[2]`. */
export const jsonPath = (steps: Iterable<string | number>): string => {
  let path = ""
  for (const step of steps) {
    if (typeof step === "number") path += `[${step}]`
    else path += path === "" ? keyText(step) : `.${keyText(step)}`
  }
  return path
}

const keyText = (key: string): string => {
  if (key === "") return '""'
  return (key.length > keyCharsMax ? `${key.slice(0, keyCharsMax)}…` : key).toWellFormed()
}
