import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Compiled } from "./compilation.ts"
import { compiledPoliciesMax } from "./limits.ts"

/**
 * Compiled policies in a folder, by the hash of what they were compiled from. A folder that cannot be read or written
 * costs a compilation and nothing else; a file that was damaged counts as absent.
 */
export class CompiledPolicies {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  get(key: string): Compiled | undefined {
    try {
      const text = readFileSync(this.#path(key), "utf8")
      const [, hash, body] = /^([0-9a-f]{64})\n(.*)$/s.exec(text) ?? []
      return body !== undefined && hash === hashOf(body) ? (JSON.parse(body) as Compiled) : undefined
    } catch {
      return undefined
    }
  }

  put(key: string, body: string): void {
    const path = this.#path(key)
    const unfinished = `${path}.${process.pid}`
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
      writeFileSync(unfinished, `${hashOf(body)}\n${body}`, { mode: 0o600 })
      renameSync(unfinished, path)
      this.#removeOld()
    } catch {
      rmSync(unfinished, { force: true })
    }
  }

  #removeOld(): void {
    const paths = readdirSync(this.#folder)
      .filter((name) => name.endsWith(suffix))
      .map((name) => join(this.#folder, name))
    const newestFirst = paths.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
    for (const path of newestFirst.slice(compiledPoliciesMax)) rmSync(path, { force: true })
  }

  #path(key: string): string {
    return join(this.#folder, `${key}${suffix}`)
  }
}

const suffix = ".policy"
const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex")
