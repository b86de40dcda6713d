import { Effect } from "effect"
import type { Event } from "../../domain/event.ts"
import { literalGlob } from "../../domain/glob.ts"
import { canonicalText, type Json } from "../../domain/json.ts"
import type { Unavailable } from "../failure.ts"
import { maintenanceHashedEvents } from "../limits.ts"
import { sha256 } from "../sha256.ts"
import { eachPage, type NotPossible, type Store } from "./log.ts"

/** The comparison of one domain's logs in two stores, up to the end of the shorter. */
export interface Comparison {
  readonly domain: string
  /** The last position in each store. It equals the number of events, since positions have no gaps. */
  readonly from: bigint
  readonly to: bigint
  /** SHA-256 in hex of each store's log, up to the end of the shorter. */
  readonly hashes: { readonly from: string; readonly to: string }
  /** Whether both are the same log: one incarnation, and the same events up to the end of the shorter. */
  readonly same: boolean
}

export const compareLogs = (
  from: Store,
  to: Store,
  domain: string
): Effect.Effect<Comparison, NotPossible | Unavailable> =>
  Effect.gen(function* () {
    const [source] = yield* from.heads(literalGlob(domain), 1)
    const [target] = yield* to.heads(literalGlob(domain), 1)
    const [fromEnd, toEnd] = [source?.position ?? 0n, target?.position ?? 0n]
    const until = fromEnd < toEnd ? fromEnd : toEnd
    const [a, b] = yield* Effect.all([logHash(from, domain, until), logHash(to, domain, until)], { concurrency: 2 })
    const same = source?.incarnation === target?.incarnation && a === b
    return { domain, from: fromEnd, to: toEnd, hashes: { from: a, to: b }, same }
  })

/** A canonical text of all parts of an event. Stores may change the order of JSON keys; it does not depend on that. */
const textOf = (event: Event): string => {
  const { id, position, time, method, entity, claims, idempotency, traceparent, erased } = event
  const { domain, type, key, values, version } = entity
  const parts: ReadonlyArray<Json> = [
    [id, String(position), String(time), method, domain, type, key, String(version), erased],
    values,
    claims,
    idempotency === undefined ? null : [idempotency.caller, idempotency.key, idempotency.hash],
    traceparent ?? null
  ]
  return canonicalText(parts)
}

/** SHA-256 of a log up to a position, in blocks of a fixed size, so that it does not depend on a store's page size. */
export const logHash = (
  store: Store,
  domain: string,
  until: bigint
): Effect.Effect<string, NotPossible | Unavailable> =>
  Effect.gen(function* () {
    let hash = ""
    let block: Array<string> = []
    const close = Effect.suspend(() => {
      const text = [hash, ...block].join("\n")
      block = []
      return Effect.map(
        Effect.promise(() => sha256(text)),
        (digest) => {
          hash = digest
        }
      )
    })
    yield* eachPage(store, domain, 0n, until, (events) =>
      Effect.forEach(
        events,
        (event) => {
          block.push(textOf(event))
          return block.length < maintenanceHashedEvents ? Effect.void : close
        },
        { discard: true }
      )
    )
    yield* close
    return hash
  })
