import { assert, test } from "vitest"
import { digestOf, TokenCache } from "../../adapters/auth/token-cache.ts"
import { tokenCacheBytesMax, tokenCacheEntriesMax } from "../../application/limits.ts"

const entry = (more: object = {}) => ({ untilMs: 1_000, bytes: 10, key: { isRevoked: false }, ...more })

test("an answer is remembered until it expires, and not a millisecond longer", () => {
  const cache = new TokenCache()
  const one = entry()
  cache.set("a", one)
  assert.strictEqual(cache.get("a", 999), one)
  assert.isUndefined(cache.get("a", 1_000))
  assert.deepStrictEqual([cache.size, cache.bytes], [0, 0])
  assert.isUndefined(cache.get("a", 0))
})

test("and forgotten once its key is revoked", () => {
  const cache = new TokenCache()
  const key = { isRevoked: false }
  cache.set("a", entry({ key }))
  cache.set("b", entry())
  key.isRevoked = true
  assert.isUndefined(cache.get("a", 0))
  assert.isDefined(cache.get("b", 0))
  assert.deepStrictEqual([cache.size, cache.bytes], [1, 10])
})

test("entries are bounded, and those used least recently go first", () => {
  const cache = new TokenCache({ entriesMax: 3 })
  for (const digest of ["a", "b", "c"]) cache.set(digest, entry())
  cache.get("a", 0)
  cache.set("d", entry())
  assert.deepStrictEqual(
    ["a", "b", "c", "d"].map((digest) => cache.get(digest, 0) !== undefined),
    [true, false, true, true]
  )
})

test("bytes are bounded, also by one that is larger than all", () => {
  const cache = new TokenCache({ bytesMax: 25 })
  for (const digest of ["a", "b", "c"]) cache.set(digest, entry())
  assert.deepStrictEqual([cache.size, cache.bytes], [2, 20])
  cache.set("c", entry({ bytes: 5 }))
  assert.strictEqual(cache.bytes, 15)
  cache.set("d", entry({ bytes: 26 }))
  assert.deepStrictEqual([cache.size, cache.bytes], [0, 0])
})

test("its bounds are those of the gateway, and tokens are known by their SHA-256", () => {
  assert.deepStrictEqual([tokenCacheEntriesMax, tokenCacheBytesMax], [10_000, 32 * 1024 * 1024])
  assert.strictEqual(digestOf("abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=")
})
