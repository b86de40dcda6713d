import { Cause, Context, Effect, Exit, Layer } from "effect"
import { type MigrationResult, migrate } from "../../application/maintenance/migrate.ts"
import { type Difference, rebuild } from "../../application/maintenance/rebuild.ts"
import { EventStore, type Opening } from "../../application/ports/EventStore.ts"
import { Projection } from "../../application/ports/Projection.ts"
import { storageOf } from "../compose.ts"
import type { StorageProvider } from "../providers.ts"
import { reportRefusal } from "../refusal.ts"
import type { Command } from "./arguments.ts"

/** Runs a command, prints its progress, and returns the exit code: 0 when nothing is wrong. */
export const run = async (command: Exclude<Command, { readonly name: "serve" }>): Promise<number> => {
  const exit = await Effect.runPromiseExit(Effect.scoped(workOf(command)))
  if (Exit.isSuccess(exit)) return exit.value
  const failure: unknown = Cause.squash(exit.cause)
  const reason = failure instanceof Error || isMessage(failure) ? failure.message : String(failure)
  await reportRefusal("stategate", reason)
  return 1
}

const workOf = (command: Exclude<Command, { readonly name: "serve" }>) => {
  switch (command.name) {
    case "migrate":
      return migrated(command.from, command.to)
    case "rebuild":
      return rebuilt(command.storage, command.repair)
    case "backup":
      return backedUp(command.path, command.to)
    case "keys":
      return said(async () => (await import("./keys.ts")).generateKeys(command))
    case "token":
      return said(async () => (await import("./keys.ts")).makeToken(command))
  }
}

const isMessage = (failure: unknown): failure is { readonly message: string } =>
  typeof failure === "object" && failure !== null && "message" in failure && typeof failure.message === "string"

const say = (line: string) => Effect.sync(() => void process.stdout.write(`${line}\n`))

const opened = (provider: StorageProvider, opening: Opening) =>
  Effect.map(Layer.build(storageOf(provider, opening)), (context) => ({
    store: Context.get(context, EventStore),
    projection: Context.get(context, Projection)
  }))

/** Does something that has one line to say of it. */
const said = (work: () => Promise<string>) =>
  Effect.tryPromise({ try: work, catch: (cause) => (cause instanceof Error ? cause : new Error(String(cause))) }).pipe(
    Effect.flatMap(say),
    Effect.as(0)
  )

const backedUp = Effect.fnUntraced(function* (path: string, to: string) {
  // A driver that no other command needs.
  const { copyFile } = yield* Effect.promise(() => import("../../adapters/storage/sqlite/backup.ts"))
  const { domains, events } = yield* Effect.tryPromise({
    try: () => copyFile(path, to),
    catch: (cause) => (cause instanceof Error ? cause : new Error(String(cause)))
  })
  yield* say(`${domains} domains, ${events} events copied to ${to}`)
  return 0
})

const migrated = Effect.fnUntraced(function* (from: StorageProvider, to: StorageProvider) {
  const source = yield* opened(from, "read")
  const target = yield* opened(to, "create")
  const all = yield* migrate(source.store, target.store, (one) => say(lineOf(one)))
  const sum = all.reduce((events, { copied }) => events + copied, 0n)
  const other = all.filter(({ same }) => !same).length
  const behind = all.filter(({ from: a, to: b }) => a !== b).length
  const verdict =
    other > 0
      ? `${other} differ`
      : behind > 0
        ? `${behind} went on meanwhile; run it again to copy the rest`
        : "all are the same in both stores"
  yield* say(`${all.length} domains, ${sum} events copied: ${verdict}`)
  return other + behind === 0 ? 0 : 1
})

const lineOf = ({ domain, copied, from, to, hashes, same }: MigrationResult): string =>
  `${JSON.stringify(domain)}: ${copied} copied, ${to} of ${from} events, ${
    same ? `the same (sha256 ${hashes.from})` : `DIFFERENT (sha256 ${hashes.from} and ${hashes.to})`
  }`

const rebuilt = Effect.fnUntraced(function* (storage: StorageProvider, repair: boolean) {
  const { store, projection } = yield* opened(storage, "existing")
  const all = yield* rebuild(store, projection, {
    repair,
    onDifference: (difference) => say(differenceLine(difference))
  })
  for (const { domain, events, entities, differences } of all) {
    yield* say(`${JSON.stringify(domain)}: ${events} events make ${entities} entities; ${differences} differ`)
  }
  const sum = all.reduce((found, { differences }) => found + differences, 0)
  yield* say(
    sum === 0 ? "every entity is what its log makes of it" : `${sum} differed${repair ? ", and were repaired" : ""}`
  )
  return sum === 0 || repair ? 0 : 1
})

const differenceLine = ({ ref, expected, stored }: Difference): string => {
  const name = JSON.stringify(`${ref.domain}/${ref.type}/${ref.key}`)
  if (expected === undefined) return `${name}: no event made it`
  if (stored === undefined) return `${name}: version ${expected.version} is missing`
  const what = stored.version === expected.version ? "other values" : `version ${stored.version}`
  return `${name}: is stored with ${what}, and should be at version ${expected.version}`
}
