import { Deferred, Effect, Exit, Latch, type Scope } from "effect"
import { keepRunning } from "../../../application/background.ts"
import { Backoff } from "../../../application/backoff.ts"
import { keyAgeMsMax, keyCooldownMs, keyRetryMs, keyRetryMsMax } from "../../../application/limits.ts"
import { monotonicNow } from "../../../application/monotonic.ts"
import { Telemetry } from "../../../application/telemetry.ts"
import { KeyRing } from "./key-ring.ts"
import type { KeySet } from "./key-set.ts"

/** One read of the keys of an issuer. */
export interface Reading {
  /** Undefined: the same as last time. */
  readonly keys: KeySet | undefined
  /** Milliseconds until they should be read again. */
  readonly againMs: number
}

/** Times that tests make short. */
export interface KeyTimes {
  /** Milliseconds for which the last good keys serve while no others can be had. */
  readonly ageMsMax?: number
  /** Milliseconds between two reads for key ids that are not known. */
  readonly cooldownMs?: number
  /** Milliseconds between tries while the keys cannot be read, at first and at most. */
  readonly retryMs?: number
  readonly retryMsMax?: number
}

/** The keys of one issuer, kept fresh in the background. */
export interface KeySource {
  /** Where they come from, for the log. */
  readonly name: string
  readonly ring: KeyRing
  /**
   * For a key id that is not known: waits until the keys have been read again. Answers false, without a read, when one
   * was made for that reason less than the cool-down ago.
   */
  readonly refresh: Effect.Effect<boolean>
}

/**
 * Reads the keys once before this succeeds, and then again and again until the scope closes: after a pause that each
 * reading names, after a backoff when it fails, and at once when a token names a key that is not known.
 */
export const keySource = Effect.fnUntraced(function* (
  name: string,
  read: Effect.Effect<Reading, Error>,
  {
    ageMsMax = keyAgeMsMax,
    cooldownMs = keyCooldownMs,
    retryMs = keyRetryMs,
    retryMsMax = keyRetryMsMax
  }: KeyTimes = {}
): Effect.fn.Return<KeySource, never, Scope.Scope> {
  const { count } = yield* Telemetry
  const ring = new KeyRing(ageMsMax)
  const wake = Latch.makeUnsafe(false)
  let next = Deferred.makeUnsafe<void>()
  let backoff: Backoff | undefined
  let refreshedAtMs = Number.NEGATIVE_INFINITY
  let isReading = false

  const succeeded = Effect.fnUntraced(function* ({ keys, againMs }: Reading) {
    const now = yield* monotonicNow
    if (keys === undefined) ring.confirm(now)
    else ring.replace(keys, now)
    for (const why of keys?.leftOut ?? []) yield* Effect.logWarning(`a key of ${name} is not used: ${why}`)
    if (backoff !== undefined) yield* Effect.logInfo(`the keys of ${name} can be read again`)
    backoff = undefined
    return againMs
  })

  const failed = Effect.fnUntraced(function* (error: Error) {
    const now = yield* monotonicNow
    ring.fail()
    count("keyReadFailures", 1)
    const age = ring.ageMs(now)
    const effect =
      age > ageMsMax
        ? "no token of that issuer can be verified"
        : `the last good keys serve for another ${Math.round((ageMsMax - age) / 1000)} s`
    // Once: the metric counts how often.
    if (backoff === undefined) yield* Effect.logError(`the keys cannot be read (${error.message}); ${effect}`)
    else yield* Effect.logDebug(`the keys still cannot be read (${error.message}); ${effect}`)
    backoff ??= new Backoff({ firstMs: retryMs, baseMs: retryMs, maxMs: retryMsMax })
    return backoff.next(now)
  })

  const attempt = Effect.gen(function* () {
    wake.closeUnsafe()
    isReading = true
    const pauseMs = yield* Effect.matchEffect(read, { onSuccess: succeeded, onFailure: failed })
    isReading = false
    const waiting = next
    next = Deferred.makeUnsafe()
    Deferred.doneUnsafe(waiting, Effect.void)
    return pauseMs
  })

  const refresh = Effect.gen(function* () {
    const joined = isReading
    if (!joined) {
      const now = yield* monotonicNow
      if (now - refreshedAtMs < cooldownMs) return false
      refreshedAtMs = now
      wake.openUnsafe()
    }
    yield* Deferred.await(next)
    return true
  })

  yield* Effect.addFinalizer(() => Deferred.done(next, Exit.void))
  let pauseMs = yield* attempt
  yield* keepRunning(
    "keys",
    Effect.gen(function* () {
      yield* Effect.raceFirst(Effect.sleep(pauseMs), wake.await)
      pauseMs = yield* attempt
    })
  )
  return { name, ring, refresh }
})
