// How gateways begin on a database: in the words that an operator reads, and several of them at once.

import { Effect, Exit, type Layer, Logger, type Scope } from "effect"
import { assert } from "vitest"
import type { EventStore } from "../../application/ports/EventStore.ts"
import { append, logOf } from "../contract/event-store/writing.ts"
import { fresh } from "../contract/law.ts"

/** Whether a database opens, or why not, and the lines of the log. */
export const opening = async (open: Effect.Effect<unknown, unknown, Scope.Scope>) => {
  const lines: Array<string> = []
  const log = Logger.layer([Logger.make(({ message, logLevel }) => void lines.push(`${logLevel} ${message}`))])
  const exit = await Effect.runPromiseExit(Effect.scoped(Effect.provide(open, log)))
  return { end: Exit.isSuccess(exit) ? "it opened" : String(exit.cause), lines }
}

/** Gateways that open a place at once which nobody has used before; what each of them commits is there. */
export const beginTogether = async (gateways: number, layer: () => Layer.Layer<EventStore, unknown>): Promise<void> => {
  const domain = fresh("together")
  const appended = Array.from({ length: gateways }, (_, n) =>
    Effect.runPromise(Effect.provide(append(domain, [{ key: `k${n}` }]), layer(), { local: true }))
  )
  const events = (await Promise.all(appended)).flat()
  const log = await Effect.runPromise(Effect.provide(logOf(domain), layer()))
  assert.sameMembers(
    log.map(({ id }) => id),
    events.map(({ id }) => id)
  )
}
