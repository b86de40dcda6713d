/** What is wrong with some JSON, and where; `path` is empty when it is the whole of it. */
export interface JsonFault {
  readonly path: string
  readonly rule: string
}

/** Characters of a key that a path shows. A key may be as long as a whole request, and a path goes into an error. */
const keyCharsMax = 64

/** Keys and indexes, from the outermost on, as errors name them: `a.b[2]`. */
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
