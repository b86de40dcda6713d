import { Clock, Context, Effect, Layer } from "effect"
import type { Job } from "../domain/batch.ts"
import type { Change, Command, Precondition } from "../domain/command.ts"
import type { Entity, Ref } from "../domain/entity.ts"
import { type Event, type Idempotency, methods } from "../domain/event.ts"
import { literalGlob } from "../domain/glob.ts"
import type { JsonObject } from "../domain/json.ts"
import { invalid, type NotFound, type Rejection, within } from "../domain/rejection.ts"
import { Committer } from "./committer.ts"
import type { Unavailable } from "./failure.ts"
import type { JobResult, SubmitFailure } from "./job-queue.ts"
import { EventStore, type Page, type Search } from "./ports/EventStore.ts"
import { type TokenPlace, wholePlace } from "./storage/page-token.ts"

/** A command as callers give it: a Revert names its event and does not have the values yet. */
export interface Request {
  readonly ref: Ref
  readonly change: Exclude<Change, { _tag: "Revert" }> | { readonly _tag: "RevertTo"; readonly eventId: string }
  readonly precondition: Precondition
}

/** The caller of a request: claims, idempotency key and trace context. */
export interface Caller {
  readonly claims: JsonObject
  readonly idempotency?: Idempotency
  readonly traceparent?: string
}

/** Which state of an entity is meant. */
export type AsOf =
  | { readonly _tag: "Now" }
  | { readonly _tag: "Version"; readonly version: bigint }
  | { readonly _tag: "Time"; readonly time: bigint }

const notFound: NotFound = { _tag: "NotFound", message: "the entity does not exist" }
const notFoundThen: NotFound = { _tag: "NotFound", message: "the entity did not exist then" }
const noSuchEvent: NotFound = { _tag: "NotFound", message: "the entity has no such event" }

/** The use cases on entities: change, apply, get and search. */
export class Entities extends Context.Service<
  Entities,
  {
    /** Does one command. */
    readonly change: (request: Request, caller: Caller) => Effect.Effect<JobResult, SubmitFailure>
    /** Does all of the commands, or none; each sees those before it. */
    readonly apply: (
      domain: string,
      requests: ReadonlyArray<Request>,
      caller: Caller
    ) => Effect.Effect<JobResult, SubmitFailure>
    readonly get: (ref: Ref, asOf: AsOf) => Effect.Effect<Entity, Rejection | Unavailable>
    /** A page of entities, after a page token if one is given. */
    readonly search: (search: Search, after?: TokenPlace) => Effect.Effect<Page<Entity>, Rejection | Unavailable>
  }
>()("stategate/application/Entities") {
  static readonly layer = Layer.effect(
    Entities,
    Effect.gen(function* () {
      const store = yield* EventStore
      const committer = yield* Committer

      // Events never change, so the target can be read before the commit.
      const resolve = (request: Request): Effect.Effect<Command, Rejection | Unavailable> => {
        const { ref, change, precondition } = request
        if (change._tag !== "RevertTo") return Effect.succeed({ ref, change, precondition })
        return Effect.flatMap(store.event(ref, change.eventId), (event): Effect.Effect<Command, Rejection> => {
          if (event === undefined) return Effect.fail(noSuchEvent)
          if (event.erased) return Effect.fail({ _tag: "Erased" })
          return Effect.succeed({ ref, change: { _tag: "Revert", values: event.entity.values }, precondition })
        })
      }

      const submit = (job: Omit<Job, keyof Caller>, caller: Caller) => committer.submit({ ...job, ...caller })

      const change = (request: Request, caller: Caller) =>
        Effect.flatMap(resolve(request), (command) =>
          submit({ domain: request.ref.domain, commands: [command], parts: false }, caller)
        )

      const apply = Effect.fnUntraced(function* (domain: string, requests: ReadonlyArray<Request>, caller: Caller) {
        const commands: Array<Command> = []
        for (const [i, request] of requests.entries()) {
          const part = (failure: Rejection | Unavailable) =>
            failure._tag === "Unavailable" ? failure : within(`commands[${i}]`, failure)
          commands.push(yield* Effect.mapError(resolve(request), part))
        }
        return yield* submit({ domain, commands, parts: true }, caller)
      })

      const get = Effect.fnUntraced(function* (ref: Ref, asOf: AsOf) {
        if (asOf._tag === "Now") {
          const state = yield* store.state(ref)
          return state === undefined || state.deleted ? yield* Effect.fail(notFound) : state
        }
        const event =
          asOf._tag === "Version" ? yield* store.version(ref, asOf.version) : yield* lastBefore(ref, asOf.time)
        if (event === undefined || event.method === methods.del) return yield* Effect.fail(notFoundThen)
        return event.erased ? yield* Effect.fail({ _tag: "Erased" } as const) : event.entity
      })

      /** The entity's last event at or before a time, by binary search: times rise with versions. */
      const lastBefore = Effect.fnUntraced(function* (ref: Ref, time: bigint) {
        if (time > (yield* Clock.currentTimeNanos)) {
          // The log may be ahead of a clock that was set back. The time of an event is never in the future.
          const [head] = yield* store.heads(literalGlob(ref.domain), 1)
          if (head === undefined || time > head.time) {
            return yield* Effect.fail(invalid({ field: "time", rule: "must not be in the future" }))
          }
        }
        let low = 0n
        let high = (yield* store.state(ref))?.version ?? 0n
        let found: Event | undefined
        while (low < high) {
          const middle = (low + high + 1n) / 2n
          const event = yield* store.version(ref, middle)
          if (event !== undefined && event.time <= time) {
            found = event
            low = middle
          } else {
            high = middle - 1n
          }
        }
        return found
      })

      const search = Effect.fnUntraced(function* (wanted: Search, place?: TokenPlace) {
        if (place === undefined) return yield* store.entities(wanted)
        const { domain, type, order } = wanted
        const item = Effect.suspend(() => store.state({ domain, type, key: String(place.tie) }))
        return yield* store.entities({ ...wanted, after: yield* wholePlace(order, place, item) })
      })

      return Entities.of({ change, apply, get, search })
    })
  )
}
