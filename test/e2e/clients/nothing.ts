import { assert } from "vitest"

/** Fails if there is a domain: nothing has come of anything that was sent. */
export const assertNothingStored = async (url: string): Promise<void> => {
  const response = await fetch(`${url}/api/events/stream?domain=*&type=*&beginning=true`, {
    signal: AbortSignal.timeout(20_000)
  })
  const cursor = response.headers.get("stategate-cursor")
  await response.body?.cancel()
  // The globs and no place in any log, as for a gateway that was never asked for anything.
  assert.strictEqual(cursor, "AQEqASoBKg")
}
