/** One code point that a set admits, or a run of them, ends included. */
type Range = readonly [from: number, to: number]

/** A code point, `?`, `*`, or a set. */
export type Token = number | "one" | "many" | readonly Range[]

/** A pattern for names: `*` any run of characters, `?` any one, `[a-z_]` one of a set; `\` takes the next as it is. */
export interface Glob {
  /** As it was written. */
  readonly text: string
  /** The only text that matches, when there are no wildcards. */
  readonly literal: string | undefined
  /** What every match starts with: a bound for index scans. */
  readonly prefix: string
  /** What comes after the prefix. */
  readonly rest: readonly Token[]
}

export type ParsedGlob = { readonly ok: true; readonly glob: Glob } | { readonly ok: false; readonly problem: string }

/** The glob that matches this text alone. */
export const literalGlob = (text: string): Glob => ({
  text: text.replaceAll(/[\\*?[]/g, "\\$&"),
  literal: text,
  prefix: text,
  rest: []
})

/** All of a glob, from its start. */
export const tokensOf = ({ prefix, rest }: Glob): readonly Token[] => [...Array.from(prefix, codeOf), ...rest]

const refuse = (problem: string): ParsedGlob => ({ ok: false, problem })

const codeOf = (character: string): number => character.codePointAt(0)!

/** Reads a glob; the problem, if there is one, is a sentence for the caller. */
export const parseGlob = (text: string): ParsedGlob => {
  if (!text.isWellFormed()) return refuse("a glob cannot hold half of a surrogate pair")
  const characters = [...text]
  const tokens: Token[] = []
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!
    if (character === "*") {
      if (tokens.at(-1) !== "many") tokens.push("many")
    } else if (character === "?") {
      tokens.push("one")
    } else if (character === "[") {
      const set = parseSet(characters, at)
      if ("problem" in set) return refuse(set.problem)
      tokens.push(set.ranges)
      at = set.end
    } else if (character === "\\") {
      at++
      if (at === characters.length) return refuse("a glob cannot end with \\; write \\\\ for the character itself")
      tokens.push(codeOf(characters[at]!))
    } else {
      tokens.push(codeOf(character))
    }
  }
  const wild = tokens.findIndex((token) => typeof token !== "number")
  const plain = (wild < 0 ? tokens : tokens.slice(0, wild)) as number[]
  // Joined, not spread into one call: a long glob would have more arguments than a call may.
  const prefix = plain.map((code) => String.fromCodePoint(code)).join("")
  return {
    ok: true,
    glob: { text, literal: wild < 0 ? prefix : undefined, prefix, rest: wild < 0 ? [] : tokens.slice(wild) }
  }
}

type ParsedSet = { readonly ranges: readonly Range[]; readonly end: number } | { readonly problem: string }

/** Reads the set that opens at `start`; `end` is where its `]` is. A `-` at either edge is itself. */
const parseSet = (characters: readonly string[], start: number): ParsedSet => {
  const ranges: Range[] = []
  const first = characters[start + 1]
  if (first === "]") return { problem: "a glob cannot hold the empty set []; write \\[ for the character itself" }
  if (first === "^" || first === "!")
    return { problem: `a glob has no negated sets; write [\\${first}…] for the character` }
  let at = start + 1
  const unclosed = { problem: "a glob has an opening [ without its ]; write \\[ for the character itself" }
  const take = (): number | undefined => {
    if (characters[at] === "\\") at++
    const character = characters[at++]
    return character === undefined ? undefined : codeOf(character)
  }
  while (characters[at] !== "]") {
    const from = take()
    if (from === undefined) return unclosed
    const opensRange = characters[at] === "-" && characters[at + 1] !== "]"
    if (opensRange) at++
    const to = opensRange ? take() : from
    if (to === undefined) return unclosed
    if (to < from) {
      const written = `${String.fromCodePoint(from)}-${String.fromCodePoint(to)}`
      return { problem: `a glob has the range ${written}, which runs backwards` }
    }
    ranges.push([from, to])
  }
  return { ranges, end: at }
}

const admits = (token: Token, code: number): boolean =>
  typeof token === "number"
    ? token === code
    : token === "one" || (token !== "many" && token.some(([from, to]) => from <= code && code <= to))

/**
 * Whether the whole text matches. After a mismatch only the last `*` takes one character more: whatever an earlier one
 * could still do, the last can do as well. So it takes at worst text × glob steps.
 */
export const matches = (glob: Glob, text: string): boolean => {
  if (glob.literal !== undefined) return text === glob.literal
  if (!text.startsWith(glob.prefix)) return false
  const { rest } = glob
  if (rest.length === 1 && rest[0] === "many") return true
  let at = glob.prefix.length
  let next = 0
  let star = -1
  let retry = at
  while (at < text.length) {
    const token = rest[next]
    const code = text.codePointAt(at)!
    if (token === "many") {
      star = next++
      retry = at
    } else if (token !== undefined && admits(token, code)) {
      next++
      at += width(code)
    } else if (star >= 0) {
      retry += width(text.codePointAt(retry)!)
      at = retry
      next = star + 1
    } else {
      return false
    }
  }
  while (rest[next] === "many") next++
  return next === rest.length
}

const width = (code: number): number => (code > 0xffff ? 2 : 1)
