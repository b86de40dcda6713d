import { execFile } from "node:child_process"
import { mkdirSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { root } from "../testing/run.ts"

/** A server that tests use, and that npm does not bring. */
export interface Installable {
  readonly name: string
  readonly isInstalled: () => boolean
  readonly install: () => Promise<unknown>
}

/** A folder of the checkout that holds what was made here once. */
export const cached = (name: string): string => join(root, ".cache", "services", name)

/** Makes such a folder: it is there when it is complete, and not before. */
export const make = async (
  name: string,
  fill: (folder: string, scratch: string) => Promise<unknown>
): Promise<void> => {
  const part = cached(`${name}.part`)
  const [folder, scratch] = [join(part, "done"), join(part, "scratch")]
  rmSync(part, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  mkdirSync(scratch)
  try {
    await fill(folder, scratch)
    renameSync(folder, cached(name))
  } finally {
    rmSync(part, { recursive: true, force: true })
  }
}

/** Runs a program to its end, and fails with what it said. */
export const execute = async (command: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  await promisify(execFile)(command, args, { cwd: root, env: { ...process.env, ...env }, maxBuffer: 64 * 2 ** 20 })
