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

/** How many of these are still there, when all that nobody holds is gone. */
export const held = async (some: ReadonlyArray<WeakRef<object>>): Promise<number> => {
  // What was looked at in this turn of the event loop is held until its end.
  await new Promise(setImmediate)
  collect()
  return some.filter((one) => one.deref() !== undefined).length
}
