// What the fuzz tests share: how long they run, numbers that come again for the same seed, and inputs that were kept.

import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** Inputs of each test: some for every run, many where STATEGATE_TEST_FUZZ says how many. */
export const inputs = (usual: number): number => Number(process.env["STATEGATE_TEST_FUZZ"] ?? usual)

/** Where the inputs begin: the same for every run unless STATEGATE_TEST_FUZZ_SEED says otherwise, so that a failure comes again. */
export const firstSeed = Number(process.env["STATEGATE_TEST_FUZZ_SEED"] ?? 1)

export interface Random {
  /** At least 0, and below this. */
  readonly below: (max: number) => number
  readonly of: <A>(some: ReadonlyArray<A>) => A
  readonly bytes: (lengthMax: number) => Buffer
}

/** Numbers by mulberry32. */
export const randomOf = (seed: number): Random => {
  let state = seed >>> 0
  const below = (max: number) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * max)
  }
  return {
    below,
    of: (some) => some[below(some.length)]!,
    bytes: (lengthMax) => Buffer.from(Array.from({ length: below(lengthMax + 1) }, () => below(256)))
  }
}

/** The same bytes with some of them changed, cut out, repeated or put in. */
export const mutated = (bytes: Buffer, random: Random): Buffer => {
  let result = Buffer.from(bytes)
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = random.below(result.length + 1)
    const to = Math.min(result.length, at + random.below(20))
    const kind = random.below(5)
    if (kind === 0 && at < result.length) result[at] = result[at]! ^ (1 << random.below(8))
    else if (kind === 1 && at < result.length) result[at] = random.of([0, 1, 0x7f, 0x80, 0xff, random.below(256)])
    else if (kind === 2) result = Buffer.concat([result.subarray(0, at), result.subarray(to)])
    else if (kind === 3) result = Buffer.concat([result.subarray(0, to), result.subarray(at)])
    else result = Buffer.concat([result.subarray(0, at), random.bytes(12), result.subarray(at)])
  }
  return result
}

/** The inputs that are kept: one a line, in hexadecimal, behind a name. */
export const corpus = (name: string): ReadonlyArray<readonly [what: string, bytes: Buffer]> => {
  const folder = join(import.meta.dirname, "corpus")
  return readdirSync(folder)
    .filter((file) => file === `${name}.txt`)
    .flatMap((file) => readFileSync(join(folder, file), "utf8").split("\n"))
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [what = "", hex = ""] = line.split(": ")
      return [what, Buffer.from(hex.replaceAll(" ", ""), "hex")]
    })
}
