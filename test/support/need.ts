// What a test needs beyond npm and may not find. Such a test is skipped by name and reason, and the end of `npm test`
// lists it with the command that enables it; where CI is set, a skip is a failure. What a server cannot do, whatever is
// installed, is skipped and listed as well, and is no failure.

import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"

export interface Need<Found> {
  /** Undefined when it is missing. Inside a test that was declared with `options` it is there. */
  readonly found: Found | undefined
  /** For `test(name, need.options, body)`, `describe` alike, or last in `it.effect(name, body, need.options)`. */
  readonly options: { readonly skip: boolean; readonly meta: { readonly skipped: string } }
}

declare module "vitest" {
  interface TaskMeta {
    /** Why a test is skipped, and the command that enables it. */
    skipped?: string
    /** Which server cannot do what the test asks for. */
    limitation?: string
  }
}

/** Declares that tests need something: `const curl = need("grpcurl", { enable: "go install …", found: program("grpcurl") })`. */
export const need = <Found>(
  what: string,
  { enable, found }: { readonly enable: string; readonly found: Found | undefined | false }
): Need<Found> => {
  const present = found === false ? undefined : found
  return {
    found: present,
    options: { skip: present === undefined, meta: { skipped: `needs ${what}; to enable: ${enable}` } }
  }
}

/** For a test of what a server, by its nature, cannot do: `limitation("FerretDB 1.24.0", "keep U+0000")`. */
export const limitation = (server: string, cannot: string) => ({
  skip: true,
  meta: { limitation: `${server} cannot ${cannot}` }
})

/** The path of the first of these programs that PATH has. */
export const program = (...names: ReadonlyArray<string>): string | undefined => {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "")
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
