import { exceedsBytes } from "../json.ts"
import { type Field, type FieldPath, fields, queryLimits, type Subject } from "./tree.ts"

/** Aborts the parsing of a filter or a sort; `parseQuery` and `parseSort` catch it. */
export class Refusal {
  readonly problem: string
  constructor(problem: string) {
    this.problem = problem
  }
}

/** The caller's text, shortened for an error message. */
export const quoted = (text: string): string => (text.length > 60 ? `${text.slice(0, 60).toWellFormed()}…` : text)

/** Refuses text that some store cannot hold. */
export const refuseText = (text: string): void => {
  if (!text.isWellFormed()) throw new Refusal("text cannot hold half of a surrogate pair")
  if (text.includes("\u0000")) throw new Refusal("text cannot hold the character U+0000")
}

export const refuseLong = (text: string): void => {
  if (exceedsBytes(text, queryLimits.textBytes)) throw new Refusal(`longer than ${queryLimits.textBytes} bytes`)
}

/** The keys of a path: split at dots; `\` takes the next character as it is, so `a\.b` is one key. */
const split = (text: string): string[] => {
  const segments = [""]
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (character === ".") {
      segments.push("")
      if (segments.length > queryLimits.pathKeys)
        throw new Refusal(`path ${quoted(text)}: more than ${queryLimits.pathKeys} keys`)
    } else {
      if (character === "\\" && ++at === text.length)
        throw new Refusal(`path ${quoted(text)}: ends with \\; write \\\\ for the character itself`)
      segments[segments.length - 1] += text[at]!
    }
  }
  if (segments.includes(""))
    throw new Refusal(`path ${quoted(text) || '""'}: a key is empty; dots in a key are written \\.`)
  return segments
}

/** The fields of an entity that are not in its values. No path into the values begins with a dot. */
const entityFields: Readonly<Record<string, Field>> = { ".key": "entity.key", ".version": "entity.version" }

/** Reads a path. The only paths of an event are its parts; entities take any path into their values. */
export const parseFieldPath = (text: string, subject: Subject): FieldPath => {
  refuseText(text)
  if (subject === "entity" && text.startsWith(".")) {
    if (Object.hasOwn(entityFields, text)) return { kind: "field", field: entityFields[text]! }
    const known = Object.keys(entityFields).join(" and ")
    throw new Refusal(
      `path ${quoted(text)}: a key is empty; an entity's own fields are ${known}, and dots in a key are written \\.`
    )
  }
  const path = split(text)
  if (subject === "entity") return { kind: "json", root: "values", path }
  if (path[0] === "claims") return { kind: "json", root: "claims", path: path.slice(1) }
  if (path[0] === "entity" && path[1] === "values") return { kind: "json", root: "values", path: path.slice(2) }
  const field = (Object.keys(fields) as Field[]).find((name) => samePath(name.split("."), path))
  if (field === undefined) {
    const known = Object.keys(fields).join(", ")
    throw new Refusal(`unknown field ${quoted(text)}; an event has ${known}, entity.values.<path> and claims.<path>`)
  }
  return { kind: "field", field }
}

// Key by key: an escaped dot is not a dot, so `entity\.key` is none of the fields.
const samePath = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((segment, at) => segment === b[at])
