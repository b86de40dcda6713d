import { ManagedRuntime } from "effect"
import { afterEach } from "vitest"
import { layer } from "../../adapters/storage/sqlite/store.ts"
import { refIn } from "../contract/event-store/writing.ts"
import { refusesOnlyTheCulprit } from "./refused.ts"
import { folder } from "./sqlite-world.ts"

const cleanups: Array<() => Promise<void>> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

const open = () => {
  const runtime = ManagedRuntime.make(layer({ path: `${folder()}/stategate.db` }))
  cleanups.unshift(() => runtime.dispose())
  return runtime
}

const blob = new Uint8Array([1])
refusesOnlyTheCulprit({ options: {} }, open, {
  read: (store, domain) => store.state(refIn(domain, {} as never)),
  drafts: [
    // A column of texts holds no blob,
    { key: "a", traceparent: blob as never },
    // an integer has 64 bits,
    { key: "a", time: 2n ** 63n },
    // and some values are of no type that SQLite has.
    { key: "a", traceparent: {} as never }
  ],
  words: /cannot store BLOB value|too large|cannot be bound/
})
