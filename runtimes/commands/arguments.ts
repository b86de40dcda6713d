import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { type StorageProvider, storageProvider } from "../providers.ts"
import { defaultStorage } from "../variables.ts"
import type { GenerateKeys, MakeToken } from "./keys.ts"
import { keysOf, keysUsage, tokenOf } from "./keys-arguments.ts"

export type Command =
  | { readonly name: "serve" }
  | { readonly name: "migrate"; readonly from: StorageProvider; readonly to: StorageProvider }
  | { readonly name: "rebuild"; readonly storage: StorageProvider; readonly repair: boolean }
  | { readonly name: "backup"; readonly path: string; readonly to: string }
  | GenerateKeys
  | MakeToken

export interface Problem {
  readonly problem: string
}

export const usage = `without a command: serves, as the environment says.

  migrate --from <provider> --to <provider>   copies all logs into another store, or goes on with it; compares both
  rebuild [--storage <provider>] [--repair]     compares the stored entities with their logs; with --repair, repairs them
  backup [--storage <provider>] --to <file>   copies a SQLite file, which may be served meanwhile
${keysUsage}

A provider is what STATEGATE_STORAGE_PROVIDER takes, or @ and the path of a file that holds it.
rebuild and backup look at the store of STATEGATE_STORAGE_PROVIDER unless they are told another.`

/** What the arguments ask for. */
export const commandOf = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>>
): Command | Problem => {
  const [name, ...rest] = args
  if (name === undefined) return { name: "serve" }
  if (name === "migrate") return migrateOf(rest)
  if (name === "rebuild") return rebuildOf(rest, env)
  if (name === "backup") return backupOf(rest, env)
  if (name === "keys") return keysOf(rest)
  if (name === "token") return tokenOf(rest)
  return { problem: `there is no command ${JSON.stringify(name)}.\n\n${usage}` }
}

const migrateOf = (args: ReadonlyArray<string>): Command | Problem => {
  const given = read(args, { from: { type: "string" }, to: { type: "string" } })
  if ("problem" in given) return given
  const from = providerOf("--from", given.values["from"])
  const to = providerOf("--to", given.values["to"])
  if ("problem" in from) return from
  return "problem" in to ? to : { name: "migrate", from, to }
}

const rebuildOf = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>>
): Command | Problem => {
  const given = read(args, { storage: { type: "string" }, repair: { type: "boolean" } })
  if ("problem" in given) return given
  const storage = storageOf(given.values["storage"], env)
  return "problem" in storage ? storage : { name: "rebuild", storage, repair: given.values["repair"] === true }
}

const backupOf = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>>
): Command | Problem => {
  const given = read(args, { storage: { type: "string" }, to: { type: "string" } })
  if ("problem" in given) return given
  const to = given.values["to"]
  if (typeof to !== "string" || to === "") return { problem: `--to is missing.\n\n${usage}` }
  const storage = storageOf(given.values["storage"], env)
  if ("problem" in storage) return storage
  if (storage.name !== "sqlite") return { problem: `backup copies a SQLite file; ${storage.name} has tools of its own` }
  return { name: "backup", path: storage.path, to }
}

const storageOf = (text: unknown, env: Readonly<Record<string, string | undefined>>): StorageProvider | Problem =>
  text === undefined
    ? providerOf("STATEGATE_STORAGE_PROVIDER", env["STATEGATE_STORAGE_PROVIDER"] ?? JSON.stringify(defaultStorage))
    : providerOf("--storage", text)

type Options = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>["options"]>

const read = (args: ReadonlyArray<string>, options: Options) => {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false })
  } catch {
    // What the parser says may repeat a provider, which may hold a password.
    return { problem: `the arguments are not as they have to be.\n\n${usage}` }
  }
}

const providerOf = (option: string, given: unknown): StorageProvider | Problem => {
  if (typeof given !== "string") return { problem: `${option} is missing.\n\n${usage}` }
  const text = given.startsWith("@") ? contentOf(given.slice(1)) : given
  if (text === undefined) return { problem: `${option}: the file cannot be read` }
  const parsed = storageProvider(text)
  return "problem" in parsed ? { problem: `${option}: ${parsed.problem}` } : parsed.value
}

const contentOf = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}
