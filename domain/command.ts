import type { Entity, Ref, State } from "./entity.ts"
import { type Mutation, methods } from "./event.ts"
import { exceedsBytes, type JsonObject, jsonText } from "./json.ts"
import { valuesBytesMax } from "./limits.ts"
import { invalid, type Rejection } from "./rejection.ts"

/** The condition on an entity under which a command is done. A deleted entity has the version of its tombstone. */
export type Precondition =
  | { readonly _tag: "None" }
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Exists" }
  | { readonly _tag: "Versions"; readonly versions: ReadonlyArray<bigint> }

/** The change of an entity. The use case looks up the values of a Revert beforehand. */
export type Change =
  | { readonly _tag: "Set"; readonly values: JsonObject }
  | { readonly _tag: "Edit"; readonly values: JsonObject }
  | { readonly _tag: "Revert"; readonly values: JsonObject }
  | { readonly _tag: "Del" }

/** One change that a caller asks for. */
export interface Command {
  readonly ref: Ref
  readonly change: Change
  readonly precondition: Precondition
}

/** The effect of a command: its event without position, time and id, which the log assigns. */
export interface Decision {
  readonly method: Mutation
  readonly entity: Entity
}

const methodOf = { Set: methods.set, Edit: methods.edit, Revert: methods.revert, Del: methods.del } as const

/** Decides a command against the state of its entity. Pure: the same arguments always give the same answer. */
export const decide = (state: State | undefined, command: Command): Decision | Rejection => {
  const current = state?.version ?? 0n
  const alive = state !== undefined && !state.deleted ? state : undefined
  if (command.change._tag === "Del" && alive === undefined) {
    return { _tag: "NotFound", message: "the entity does not exist" }
  }
  const mismatch = mismatchOf(command.precondition, current, alive !== undefined)
  if (mismatch !== undefined) return { _tag: "Conflict", message: mismatch, current }
  const values = valuesAfter(command.change, alive)
  if (command.change._tag !== "Del" && exceedsBytes(jsonText(values), valuesBytesMax)) {
    return invalid({ field: "values", rule: `must be at most ${valuesBytesMax} bytes as JSON after the change` })
  }
  const { domain, type, key } = command.ref
  return { method: methodOf[command.change._tag], entity: { domain, type, key, values, version: current + 1n } }
}

const mismatchOf = (precondition: Precondition, current: bigint, exists: boolean): string | undefined => {
  switch (precondition._tag) {
    case "None":
      return undefined
    case "Absent":
      return exists ? `the entity exists, at version ${current}` : undefined
    case "Exists":
      return exists ? undefined : `the entity does not exist; its version is ${current}`
    case "Versions":
      // An entity without events has version 0. Callers cannot expect it: 0 on the wire means any version.
      if (current !== 0n && precondition.versions.includes(current)) return undefined
      return precondition.versions.length === 0
        ? `the entity is at version ${current}, and what was expected is no version`
        : `the entity is at version ${current}, expected ${precondition.versions.join(" or ")}`
  }
}

const valuesAfter = (change: Change, alive: State | undefined): JsonObject => {
  switch (change._tag) {
    case "Set":
    case "Revert":
      return change.values
    case "Edit":
      // Spread copies own properties as they are, so that a key called __proto__ stays a key.
      return alive === undefined ? change.values : { ...alive.values, ...change.values }
    case "Del":
      return alive!.values
  }
}
