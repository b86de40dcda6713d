/** A set of Rego; its members have no order. */
export class RegoSet {
  readonly members: ReadonlyArray<Value>
  constructor(members: ReadonlyArray<Value>) {
    this.members = members
  }
}

/** A number that a double does not hold exactly, as its text. */
export class RegoNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** Pairs, since keys of Rego may be any values. */
export class RegoObject {
  readonly entries: ReadonlyArray<readonly [key: Value, value: Value]>
  constructor(entries: ReadonlyArray<readonly [key: Value, value: Value]>) {
    this.entries = entries
  }
  get(key: string): Value | undefined {
    return this.entries.find(([name]) => name === key)?.[1]
  }
}

/** A value of Rego. */
export type Value = null | boolean | number | string | RegoNumber | ReadonlyArray<Value> | RegoObject | RegoSet

export const isArray = (value: Value): value is ReadonlyArray<Value> => Array.isArray(value)

/** The text of a value as `opa_value_parse` reads it. */
export const valueText = (value: Value): string => {
  if (value instanceof RegoNumber) return value.text
  if (value instanceof RegoSet) {
    return value.members.length === 0 ? "set()" : `{${value.members.map(valueText).join(",")}}`
  }
  if (value instanceof RegoObject) {
    return `{${value.entries.map(([key, inner]) => `${valueText(key)}:${valueText(inner)}`).join(",")}}`
  }
  if (isArray(value)) return `[${value.map(valueText).join(",")}]`
  return JSON.stringify(value)
}

/** The value that a text of `opa_value_dump` stands for. */
export const parseValue = (text: string): Value => {
  let at = 0
  const skip = () => {
    while (" \n\t\r".includes(text[at] ?? "x")) at++
  }
  const is = (expected: string): boolean => {
    skip()
    if (!text.startsWith(expected, at)) return false
    at += expected.length
    return true
  }
  const string = (): string => {
    const start = at++
    while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1
    return JSON.parse(text.slice(start, ++at)) as string
  }
  const number = (): number | RegoNumber => {
    const start = at
    while (/[-+.eE0-9]/.test(text[at] ?? "")) at++
    return numberOf(text.slice(start, at))
  }
  const list = (end: string, item: () => void) => {
    if (is(end)) return
    do item()
    while (is(","))
    if (!is(end)) throw new SyntaxError(`a value of the policy lacks ${end}`)
  }
  const value = (): Value => {
    skip()
    if (text[at] === '"') return string()
    if (is("null")) return null
    if (is("true")) return true
    if (is("false")) return false
    if (is("set()")) return new RegoSet([])
    if (is("[")) {
      const items: Array<Value> = []
      list("]", () => items.push(value()))
      return items
    }
    if (!is("{")) return number()
    const members: Array<Value> = []
    const entries: Array<[Value, Value]> = []
    list("}", () => {
      const first = value()
      if (is(":")) entries.push([first, value()])
      else members.push(first)
    })
    return members.length > 0 ? new RegoSet(members) : new RegoObject(entries)
  }
  return value()
}

/** A double where it is exact, else the text. */
export const numberOf = (text: string): number | RegoNumber => {
  const double = Number(text)
  return String(double) === text ? double : new RegoNumber(text)
}
