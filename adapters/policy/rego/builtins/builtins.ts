import type { Builtin } from "./builtin.ts"
import { hashes } from "./hashes.ts"
import { sprintf } from "./sprintf.ts"
import { text } from "./text.ts"
import { time } from "./time.ts"
import { tokens } from "./tokens.ts"

/**
 * Pure builtins that OPA's Wasm lacks, by name. Those with regular expressions are not here on purpose: the engine of
 * JavaScript backtracks, and a pattern could take for ever.
 */
export const builtins: Readonly<Record<string, Builtin>> = { ...hashes, ...text, ...time, ...tokens, sprintf }
