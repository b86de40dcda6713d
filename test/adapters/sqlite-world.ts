// A SQLite file with a committer on it, without a gateway around, and what lies beside it.

import { copyFileSync, existsSync, readdirSync } from "node:fs"
import { Effect, Exit, Layer } from "effect"
import { afterEach, assert } from "vitest"
import * as inmem from "../../adapters/channel/inmem/channel.ts"
import { layer, type SqliteSettings } from "../../adapters/storage/sqlite/store.ts"
import { Committer } from "../../application/committer.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import { temporaryFolder } from "../support/process.ts"

const cleanups: Array<() => void> = []
export const cleanUp = (cleanup: () => void) => void cleanups.push(cleanup)
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

export const folder = (): string => {
  const { path, remove } = temporaryFolder()
  cleanUp(remove)
  return path
}

export type Services = Committer | EventStore

/** Opens the file for as long as `use` takes. */
export const run = <A, E>(settings: SqliteSettings, use: Effect.Effect<A, E, Services>) =>
  Effect.runPromiseExit(
    Effect.provide(use, Layer.provideMerge(Committer.layer, Layer.merge(layer(settings), inmem.layer)), { local: true })
  )

/** The same, where nothing may fail. */
export const succeed = async <A, E>(settings: SqliteSettings, use: Effect.Effect<A, E, Services>): Promise<A> => {
  const exit = await run(settings, use)
  if (Exit.isFailure(exit)) assert.fail(String(exit.cause))
  return exit.value
}

export const opening = async (path: string, settings: Partial<SqliteSettings> = {}): Promise<string> =>
  messageOf(await run({ path, ...settings }, Effect.void as Effect.Effect<void, never, Services>))

export const messageOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isFailure(exit) ? String(exit.cause) : "it opened"

export const set = (key: string, domain = "d") =>
  Effect.flatMap(Committer, (committer) =>
    committer.submit({
      domain,
      parts: false,
      claims: {},
      commands: [
        { ref: { domain, type: "t", key }, change: { _tag: "Set", values: { key } }, precondition: { _tag: "None" } }
      ]
    })
  )

/** How a change is answered. */
export const answerTo = (key: string) =>
  Effect.map(Effect.result(set(key)), (answer) =>
    answer._tag === "Success"
      ? "done"
      : `${answer.failure._tag}: ${"message" in answer.failure && answer.failure.message}`
  )

export const keysInLog = (domain = "d") =>
  Effect.flatMap(EventStore, (store) =>
    Effect.map(store.read(domain, 0n, 500), (events) => events.map(({ entity }) => entity.key))
  )

/** What the files hold as they lie there, as after the process was killed. */
export const keysOnDisk = async (path: string): Promise<ReadonlyArray<string>> => {
  const copy = `${folder()}/copy.db`
  copyFileSync(path, copy)
  if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${copy}-wal`)
  return succeed({ path: copy }, keysInLog())
}

export const filesIn = (path: string): ReadonlyArray<string> => readdirSync(path).sort()
