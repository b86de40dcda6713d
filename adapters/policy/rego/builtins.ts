import type { Value } from "./values.ts"

/** A builtin that the gateway supplies; undefined makes the expression undefined, a throw fails the evaluation. */
export type Builtin = (...args: ReadonlyArray<Value>) => Value | undefined

export const builtins: Readonly<Record<string, Builtin>> = {}
