import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

declare const Bun: { readonly gc: (now: boolean) => void } | undefined

const collect = (): void => {
  if (typeof Bun !== "undefined") Bun.gc(true)
  else {
    setFlagsFromString("--expose-gc")
    runInNewContext("gc")()
  }
}

/** How many of these still exist after a garbage collection. */
export const held = async (some: ReadonlyArray<WeakRef<object>>): Promise<number> => {
  // A WeakRef that was read in this turn of the event loop keeps its object until the next.
  await new Promise(setImmediate)
  collect()
  return some.filter((one) => one.deref() !== undefined).length
}
