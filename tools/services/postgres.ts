import { execFileSync } from "node:child_process"
import { existsSync, globSync } from "node:fs"
import { dirname, join } from "node:path"
import { program } from "../../test/support/need.ts"
import { aptInstall } from "./apt.ts"
import type { Installable } from "./cache.ts"

/** The programs of PostgreSQL, and whom they run as where we are root, which they refuse to be. */
export interface Postgres {
  readonly bin: string
  readonly user: { readonly uid: number; readonly gid: number } | undefined
}

/** The newest that is installed. */
export const findPostgres = (): Postgres | undefined => {
  const version = (bin: string) => Number(/\/(\d+)\/bin$/.exec(bin)?.[1])
  const packaged = globSync("/usr/lib/postgresql/*/bin").sort((a, b) => version(b) - version(a))
  const onPath = program("initdb")
  const bins = onPath === undefined ? packaged : [...packaged, dirname(onPath)]
  const bin = bins.find((folder) => ["initdb", "postgres"].every((name) => existsSync(join(folder, name))))
  if (bin === undefined) return undefined
  if (process.getuid?.() !== 0) return { bin, user: undefined }
  try {
    const id = (what: string) => Number(execFileSync("id", [what, "postgres"], { encoding: "utf8", stdio: "pipe" }))
    return { bin, user: { uid: id("-u"), gid: id("-g") } }
  } catch {
    return undefined
  }
}

export const postgres: Installable = {
  name: "PostgreSQL",
  isInstalled: () => findPostgres() !== undefined,
  install: () => aptInstall("postgresql")
}
