/** What a `content-type` names (RFC 9110, section 8.3.1). */
export interface MediaType {
  /** Type and subtype, in lower case, such as `application/json`. */
  readonly essence: string
  /** By name in lower case, without the quotes; of a name that comes twice, the first. */
  readonly parameters: ReadonlyMap<string, string>
}

const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
const essence = new RegExp(`^(${token}/${token})[ \\t]*(?=;|$)`)
// A parameter may be left out between two semicolons, and behind the last one.
const parameter = new RegExp(
  `;[ \\t]*(?:(${token})=(?:(${token})|"((?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t \\x21-\\x7e\\x80-\\xff])*)"))?[ \\t]*`,
  "y"
)

/** Reads the value of a `content-type`; undefined if it is none. */
export const parseMediaType = (text: string): MediaType | undefined => {
  const trimmed = text.trim()
  const [all, name] = essence.exec(trimmed) ?? []
  if (all === undefined || name === undefined) return undefined
  const parameters = new Map<string, string>()
  parameter.lastIndex = all.length
  while (parameter.lastIndex < trimmed.length) {
    const [found, key, plain, quoted] = parameter.exec(trimmed) ?? []
    if (found === undefined) return undefined
    const value = plain ?? quoted?.replaceAll(/\\(.)/g, "$1")
    if (key !== undefined && value !== undefined && !parameters.has(key.toLowerCase())) {
      parameters.set(key.toLowerCase(), value)
    }
  }
  return { essence: name.toLowerCase(), parameters }
}

/** Whether text of this type is UTF-8: JSON is nothing else, and a sender that says otherwise means other characters. */
export const isUtf8 = ({ parameters }: MediaType): boolean => /^utf-?8$/i.test(parameters.get("charset") ?? "utf-8")
