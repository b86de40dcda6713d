// Just enough reading of TypeScript for test/support/tidy.ts: which modules a file imports, and its code without the
// comments and texts that only speak of things. Regular expressions, not a parser: errs on odd regex literals alone.

import { posix } from "node:path"

export interface Source {
  /** From the root of the repository, with slashes. */
  readonly path: string
  readonly text: string
}

export interface Import {
  readonly target: { readonly path: string } | { readonly package: string }
  readonly line: number
}

const tokens = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g

/** Line breaks stay, so that lines keep their numbers. */
const blank = (text: string) => text.replace(/[^\n]/g, " ")

export const withoutComments = (text: string): string =>
  text.replace(tokens, (token) => (token.startsWith("/") ? blank(token) : token))

/** Templates stay: they hold code. */
export const withoutStrings = (text: string): string =>
  text.replace(tokens, (token) => (token.startsWith('"') || token.startsWith("'") ? blank(token) : token))

export const lineAt = (text: string, index: number): number => text.slice(0, index).split("\n").length

export const matches = (text: string, pattern: RegExp): ReadonlyArray<{ text: string; line: number }> =>
  [...text.matchAll(pattern)].map((match) => ({ text: match[0], line: lineAt(text, match.index) }))

// import … from "x", export … from "x", import "x", import("x"), also as a type.
const importing = /\b(?:import|export)\b(?:[\w\s{},*$]*?\bfrom)?\s*\(?\s*["'`]([^"'`\n]+)["'`]/g

export const importsOf = ({ path, text }: Source): ReadonlyArray<Import> => {
  const code = withoutComments(text)
  return [...code.matchAll(importing)].map((match) => {
    const name = match[1]!
    const target = name.startsWith(".") ? { path: posix.join(posix.dirname(path), name) } : { package: name }
    return { target, line: lineAt(code, match.index) }
  })
}
