import { readFile, stat } from "node:fs/promises"
import { Effect } from "effect"
import { keyFilePollMs, keySetBytesMax } from "../../../application/limits.ts"
import { readKeySet } from "./key-set.ts"
import { keySource, type Reading } from "./key-source.ts"

/**
 * The keys in a file, which is read again when it changes. It is looked at by name, so that one that was renamed into
 * its place, or a symbolic link that names another one now, counts as well. While a changed file cannot be read, the keys
 * before it serve. Fails when the first read does.
 */
export const keysInFile = Effect.fnUntraced(function* (path: string, { pollMs = keyFilePollMs } = {}) {
  let last: string | undefined
  const read = async (): Promise<Reading> => {
    const found = await stat(path, { bigint: true })
    const now = `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`
    if (now === last) return { keys: undefined, againMs: pollMs }
    if (found.size > keySetBytesMax) throw new Error(`it is larger than ${keySetBytesMax} bytes`)
    const keys = await readKeySet(await readFile(path, "utf8"))
    last = now
    return { keys, againMs: pollMs }
  }
  const reading = Effect.tryPromise({
    try: read,
    catch: (error) => new Error(`${path}: ${error instanceof Error ? error.message : error}`, { cause: error })
  })
  const first = yield* reading
  let isFirst = true
  const next = Effect.suspend(() => {
    if (!isFirst) return reading
    isFirst = false
    return Effect.succeed(first)
  })
  const times = { ageMsMax: Number.POSITIVE_INFINITY, cooldownMs: pollMs, retryMs: pollMs, retryMsMax: pollMs }
  return yield* keySource(path, next, times)
})
