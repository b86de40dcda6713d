import { Context, Effect, Layer, Option } from "effect"
import { reportDefects } from "./background.ts"
import { Feed } from "./feed/feed.ts"
import { readinessMs, readinessMsMax } from "./limits.ts"
import { Authenticator, type KeysStatus } from "./ports/Authenticator.ts"
import { EventStore } from "./ports/EventStore.ts"

/** The state on which readiness depends. The channel is not part of it: without one, streams are only slower. */
export interface Readings {
  readonly ready: boolean
  readonly store: "ok" | "unavailable"
  /** The store's own reason why it cannot be used, without internals. */
  readonly reason?: string
  /**
   * A stream found a rewound log lately. It does not say which log, since the endpoint is public. The process stays ready:
   * all gateways on the store see the same log.
   */
  readonly log?: "rewound"
  /** How it stands with the keys that verify tokens; absent where none are needed. */
  readonly keys?: KeysStatus
  /** A draining gateway finishes its calls and accepts no new ones. */
  readonly gateway: "ok" | "draining"
}

/** Whether load balancers should send calls to this process. */
export class Readiness extends Context.Service<
  Readiness,
  {
    /** Queries the store at most once per `readinessMs`. */
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
      // The cheapest query that a store cannot answer without its database.
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
