import { type Profiler, Session } from "node:inspector"
import { setTimeout as sleep } from "node:timers/promises"
import { Effect, type Scope } from "effect"
import { cpuProfile, type HeapSamples, heapProfile } from "./pprof.ts"

const cpuIntervalMicros = 1_000
/** As Go has it: one sample for about half a megabyte allocated. */
const heapIntervalBytes = 512 * 1024

/** What the process does and holds, in the format of `go tool pprof`. */
export interface Profiles {
  /** Watches the processor for some seconds; undefined while another does so already. */
  readonly cpu: (seconds: number, signal: AbortSignal) => Promise<Uint8Array> | undefined
  /** What was allocated since the start and is still there. */
  readonly heap: () => Promise<Uint8Array>
}

/** Samples the heap from now on until the scope closes: what was allocated before is not in the profile. */
export const openProfiles: Effect.Effect<Profiles, Error, Scope.Scope> = Effect.gen(function* () {
  const session = yield* Effect.acquireRelease(
    Effect.try({
      try: () => {
        const opened = new Session()
        opened.connect()
        return opened
      },
      catch: (cause) => new Error("this platform has no profiler", { cause })
    }),
    (opened) => Effect.sync(() => opened.disconnect())
  )
  const post = <A>(method: string, params: object = {}): Promise<A> =>
    new Promise((resolve, reject) => {
      session.post(method, params, (error, answer) => (error === null ? resolve(answer as A) : reject(error)))
    })
  yield* Effect.tryPromise({
    try: async () => {
      await post("Profiler.enable")
      await post("Profiler.setSamplingInterval", { interval: cpuIntervalMicros })
      await post("HeapProfiler.enable")
      await post("HeapProfiler.startSampling", { samplingInterval: heapIntervalBytes })
    },
    catch: (cause) => new Error("this platform has no profiler", { cause })
  })

  let isWatching = false
  const watch = async (seconds: number, signal: AbortSignal) => {
    await post("Profiler.start")
    // A caller that leaves early stops the profile, and gets none.
    await sleep(seconds * 1000, undefined, { signal, ref: false }).catch(() => {})
    const { profile } = await post<Profiler.StopReturnType>("Profiler.stop")
    signal.throwIfAborted()
    return cpuProfile(profile, cpuIntervalMicros)
  }
  return {
    cpu: (seconds, signal) => {
      if (isWatching) return undefined
      isWatching = true
      return watch(seconds, signal).finally(() => {
        isWatching = false
      })
    },
    heap: async () => {
      const { profile } = await post<{ readonly profile: HeapSamples }>("HeapProfiler.getSamplingProfile")
      return heapProfile(profile, heapIntervalBytes)
    }
  }
})
