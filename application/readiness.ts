import { Context, Effect, Layer, Option } from "effect"
import { reportDefects } from "./background.ts"
import { Feed } from "./feed/feed.ts"
import { readinessMs, readinessMsMax } from "./limits.ts"
import { Authenticator, type KeysStatus } from "./ports/Authenticator.ts"
import { EventStore } from "./ports/EventStore.ts"

/** What has to be well for calls to be sent here. A channel is not among it: without one, streams are only later. */
export interface Readings {
  readonly ready: boolean
  readonly store: "ok" | "unavailable"
  /** Why the store cannot be used, as far as it says so itself; nothing about the inside. */
  readonly reason?: string
  /**
   * A stream found lately that its log went back in time; not which, since everyone may ask. The process stays ready: all
   * gateways on the store see the same log, so calls that are sent elsewhere would fare no better.
   */
  readonly log?: "rewound"
  /** How it stands with the keys that verify tokens; absent where none are needed. */
  readonly keys?: KeysStatus
  /** Draining: it finishes what it has, and wants nothing new. */
  readonly gateway: "ok" | "draining"
}

/** Whether calls should be sent to this process, as load balancers ask. */
export class Readiness extends Context.Service<
  Readiness,
  {
    /** Asks the store at most once in a while, however often it is asked itself. */
    readonly check: Effect.Effect<Readings>
    /** From now on the process is not ready. */
    readonly drain: Effect.Effect<void>
  }
>()("stategate/application/Readiness") {
  static readonly layer = Layer.effect(
    Readiness,
    Effect.gen(function* () {
      const store = yield* EventStore
      const feed = yield* Feed
      const authenticator = yield* Authenticator
      let isDraining = false
      // The cheapest question to which a store cannot know the answer by itself.
      const asked: Effect.Effect<Pick<Readings, "store" | "reason">> = store.movedSince(undefined).pipe(
        Effect.timeoutOption(readinessMsMax),
        Effect.map((moved) => ({ store: Option.isSome(moved) ? "ok" : "unavailable" }) as const),
        Effect.catch(({ message }) => Effect.succeed({ store: "unavailable", reason: message } as const)),
        Effect.catchCause((cause) => Effect.as(reportDefects("readiness", cause), { store: "unavailable" } as const))
      )
      const recently = yield* Effect.cachedWithTTL(asked, readinessMs)
      const check = Effect.map(
        Effect.all([recently, feed.rewoundLately, authenticator.keys]),
        ([reading, isRewound, keys]): Readings => ({
          ready: reading.store === "ok" && keys !== "unavailable" && !isDraining,
          ...reading,
          ...(keys === undefined ? {} : { keys }),
          ...(isRewound ? { log: "rewound" } : {}),
          gateway: isDraining ? "draining" : "ok"
        })
      )
      const drain = Effect.sync(() => {
        isDraining = true
      })
      return Readiness.of({ check, drain })
    })
  )
}
