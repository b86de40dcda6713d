// Gateways on one store, of which nothing happens by itself: a test chooses the next step and what becomes of it, and
// the promises are looked at after each.

import { Clock, Duration, Effect, type Fiber, Random, Result } from "effect"
import { assert } from "vitest"
import { OutcomeUnknown, Unavailable } from "../../../application/failure.ts"
import { commitRecords } from "../../../application/storage/commit-records/commits.ts"
import type { Job } from "../../../domain/batch.ts"
import { refText } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import { batchOf } from "../../contract/event-store/writing.ts"
import { type Asked, holds, isFolded, isOnceOrNever, recordedLog } from "./commit-promises.ts"
import { type Act, directly, primitivesOver, Rows } from "./simulated-rows.ts"

export const domain = "shop"

/**
 * What becomes of a step. `lost`: it is done, and nobody hears of it. `refused`: it is not done, and that is heard.
 * `late`: who asked gives up, and it is done when it is chosen once more. `before`, `after`: the gateway dies.
 */
export type Fate = "done" | "lost" | "refused" | "late" | "before" | "after"

export interface Step {
  /** Undefined once nobody waits for it. */
  readonly gateway: number | undefined
  readonly name: string
  readonly take: (fate: Fate) => void
}

const away = new Unavailable({ message: "the store is away" })

/** Whatever goes on by itself has gone on. */
const quiet = () => new Promise((resolve) => setImmediate(resolve))

export class World {
  readonly rows = new Rows()
  readonly commits: Array<Asked> = []
  /** What may happen next, oldest first. */
  steps: Array<Step> = []
  readonly #dead = new Set<number>()
  readonly #fibers: Array<Fiber.Fiber<unknown, unknown>> = []
  #now = 0
  #applied = 0n

  /** Starts a gateway that commits jobs, one after another. */
  start(jobs: ReadonlyArray<Job>): void {
    const gateway = this.#fibers.length
    const { commit } = commitRecords(primitivesOver(this.rows, this.#act(gateway)))
    const submit = Effect.fnUntraced({ self: this }, function* (this: World, job: Job) {
      const asked: Asked = { decided: [], outcome: "none" }
      this.commits.push(asked)
      // Clocks that stand still, each behind the one before.
      const { batch, made } = batchOf(domain, [job], () => BigInt(100 - gateway))
      const decide: typeof batch.decide = (snapshot) => {
        asked.decided.push(batch.decide(snapshot))
        return asked.decided.at(-1)!
      }
      const [result] = yield* commit([{ ...batch, decide }])
      asked.outcome = Result.isSuccess(result!) ? "acked" : result!.failure._tag
      const [outcome] = made.decision.outcomes
      if (asked.outcome === "acked" && outcome?._tag === "Done") this.#areVisible(outcome.events)
    })
    this.#fibers.push(Effect.runFork(this.#during(gateway, Effect.forEach(jobs, submit, { discard: true }))))
  }

  /** Takes steps as they are chosen, until there is none. */
  async run(choose: (steps: ReadonlyArray<Step>) => readonly [step: Step, fate: Fate]): Promise<void> {
    while (true) {
      await quiet()
      if (this.steps.length === 0) return
      const [step, fate] = choose(this.steps)
      this.steps = this.steps.filter((other) => other !== step)
      if (step.gateway !== undefined && (fate === "before" || fate === "after")) this.#dead.add(step.gateway)
      step.take(fate)
      this.steps = this.steps.filter(({ gateway }) => gateway === undefined || !this.#dead.has(gateway))
      holds(this.rows, domain)
      const { position } = this.rows.applied.get(domain) ?? { position: 0n }
      assert.isTrue(position >= this.#applied, "the applied head never goes back")
      this.#applied = position
    }
  }

  /** Lets a gateway that has just been started look at it all. */
  async isWhole(): Promise<void> {
    for (const [gateway, fiber] of this.#fibers.entries()) {
      const exit = fiber.pollUnsafe()
      if (!this.#dead.has(gateway)) assert.strictEqual(exit?._tag, "Success", "whoever lives comes to an end")
      fiber.interruptUnsafe()
    }
    const { head } = commitRecords(primitivesOver(this.rows, directly))
    await Effect.runPromise(this.#during(undefined, head(domain)))
    isFolded(this.rows, domain)
    isOnceOrNever(recordedLog(this.rows, domain), this.commits)
  }

  /** Whoever is answered finds everything, at that very moment, and so does everybody else. */
  #areVisible(events: ReadonlyArray<Event>): void {
    for (const { entity, position } of events) {
      assert.isTrue(
        (this.rows.applied.get(domain)?.position ?? 0n) >= position,
        "acked is at or below the applied head"
      )
      const version = this.rows.states.get(refText(entity))?.version ?? 0n
      assert.isTrue(version >= entity.version, "acked is in the entities")
    }
  }

  #act(gateway: number): Act {
    return (name, act) =>
      Effect.callback((resume) =>
        this.#offer(gateway, name, (fate) => {
          if (fate === "done") return resume(Effect.succeed(act()))
          if (fate === "before") return
          if (fate === "lost" || fate === "after") act()
          if (fate === "late") this.#offer(undefined, name, () => void act())
          const isUnknown = name === "insert" && fate !== "refused"
          if (fate !== "after") resume(Effect.fail(isUnknown ? new OutcomeUnknown({}) : away))
        })
      )
  }

  #offer(gateway: number | undefined, name: string, take: Step["take"]): void {
    if (gateway === undefined || !this.#dead.has(gateway)) this.steps.push({ gateway, name, take })
  }

  /** With a clock that stands still while nobody sleeps. A sleep is a step, unless nobody is asked. */
  #during<A, E>(gateway: number | undefined, effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    const millis = () => this.#now
    const nanos = () => BigInt(Math.round(this.#now * 1e6))
    const pass = (duration: Duration.Duration) => {
      this.#now += Duration.toMillis(duration)
    }
    const clock: Clock.Clock = {
      currentTimeMillisUnsafe: millis,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: nanos,
      monotonicTimeNanos: Effect.sync(nanos),
      sleep: (duration) =>
        Effect.callback((resume) => {
          const wake = () => {
            pass(duration)
            resume(Effect.void)
          }
          if (gateway === undefined) wake()
          else this.#offer(gateway, "sleep", (fate) => fate !== "before" && fate !== "after" && wake())
        })
    }
    return effect.pipe(
      Effect.provideService(Clock.Clock, clock),
      Effect.provideService(Random.Random, { nextDoubleUnsafe: () => 0.5, nextIntUnsafe: () => 0 })
    )
  }
}
