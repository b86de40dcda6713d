// Says so when a run meant for Bun or Deno is on Node after all: the same tests would pass there, and prove nothing.

const wanted = process.env.EXPECTED_RUNTIME
const actual = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node"

if (wanted !== undefined && wanted !== actual) {
  throw new Error(`these tests were meant to run on ${wanted}, and run on ${actual}`)
}
