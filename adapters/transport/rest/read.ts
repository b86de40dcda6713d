import {
  create,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Message,
  ScalarType
} from "@bufbuild/protobuf"
import { violationsMax } from "../../../application/limits.ts"
import { isArray, type Json, type JsonObject } from "../../../domain/json.ts"
import type { Checks } from "../call/checks.ts"

/** What is wrong is listed up to here: an answer must not grow with a hostile request. */

const fields = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>()

/** A field by its name in the proto or in JSON. */
export const fieldOf = (desc: DescMessage, name: string): DescField | undefined => {
  let named = fields.get(desc)
  if (named === undefined) {
    named = new Map(desc.fields.flatMap((field) => [field.name, field.jsonName].map((key) => [key, field] as const)))
    fields.set(desc, named)
  }
  return named.get(name)
}

export const isFull = ({ violations }: Checks): boolean => violations.length >= violationsMax

/** A name that the caller chose, short and whole enough to be said back. */
export const quoted = (name: string): string =>
  (name.length > 64 ? `${name.slice(0, 64)}…` : name).toWellFormed() || "(empty)"

/**
 * Reads proto JSON, strictly: what protobuf-es would refuse with a sentence is a violation with the field's name here,
 * and a 64-bit integer that JSON has already rounded does not pass.
 */
export const readMessage = (checks: Checks, desc: DescMessage, json: JsonObject): Message => {
  const message = create(desc)
  const seen = new Map<unknown, string>()
  for (const [name, value] of Object.entries(json)) {
    if (isFull(checks)) break
    const field = fieldOf(desc, name)
    if (field === undefined) {
      checks.add(quoted(name), "is unknown")
      continue
    }
    const read = readField(checks, field, value)
    if (read === undefined) continue
    // An empty text, a false and a 0 are what is not set; that another member of the oneof is set goes well with it.
    if (field.oneof !== undefined && isUnset(read)) continue
    const other = seen.get(field.oneof ?? field)
    if (other !== undefined) {
      checks.add(
        field.name,
        other === field.name ? "must not be given twice" : `must not be set together with ${other}`
      )
    }
    seen.set(field.oneof ?? field, field.name)
    put(message, field, read)
  }
  return message
}

const isUnset = (value: unknown): boolean => value === "" || value === false || value === 0 || value === 0n

/** Sets a field; a member of a oneof is kept beside its name. */
export const put = (message: Message, field: DescField, value: unknown): void => {
  const target = message as unknown as Record<string, unknown>
  if (field.oneof === undefined) target[field.localName] = value
  else target[field.oneof.localName] = { case: field.localName, value }
}

/** The value of a field, or undefined if it is not set or wrong, and what is wrong goes to the checks. */
const readField = (checks: Checks, field: DescField, json: Json): unknown => {
  if (json === null) return undefined
  if (field.fieldKind === "scalar") return readScalar(checks, field, json)
  if (field.fieldKind === "message" && !isWellKnown(field.message)) {
    if (isObject(json)) return readMessage(checks.part(field.name), field.message, json)
    checks.add(field.name, "must be a JSON object")
    return undefined
  }
  if (field.fieldKind === "message" && field.message.typeName === "google.protobuf.Struct") {
    // Taken as it is: the message holds the very same JSON, however deep, and the pipeline judges what is in it.
    if (isObject(json)) return json
    checks.add(field.name, "must be a JSON object")
    return undefined
  }
  if (field.fieldKind === "list" && field.listKind === "message" && !isWellKnown(field.message)) {
    return readList(checks, field, field.message, json)
  }
  return readByLibrary(checks, field, json)
}

const readList = (checks: Checks, field: DescField, desc: DescMessage, json: Json): unknown => {
  if (!isArray(json)) {
    checks.add(field.name, "must be a JSON array")
    return undefined
  }
  return json.map((item, i) => {
    if (isFull(checks)) return create(desc)
    const name = `${field.name}[${i}]`
    if (isObject(item)) return readMessage(checks.part(name), desc, item)
    checks.add(name, "must be a JSON object")
    return create(desc)
  })
}

const isObject = (json: Json): json is JsonObject => typeof json === "object" && json !== null && !isArray(json)

const isWellKnown = ({ typeName }: DescMessage): boolean => typeName.startsWith("google.protobuf.")

interface Whole {
  readonly min: bigint
  readonly max: bigint
}

const int32: Whole = { min: -(2n ** 31n), max: 2n ** 31n - 1n }
const uint32: Whole = { min: 0n, max: 2n ** 32n - 1n }
const int64: Whole = { min: -(2n ** 63n), max: 2n ** 63n - 1n }
const uint64: Whole = { min: 0n, max: 2n ** 64n - 1n }

const wholes: ReadonlyMap<ScalarType, Whole> = new Map([
  [ScalarType.INT32, int32],
  [ScalarType.SINT32, int32],
  [ScalarType.SFIXED32, int32],
  [ScalarType.UINT32, uint32],
  [ScalarType.FIXED32, uint32],
  [ScalarType.INT64, int64],
  [ScalarType.SINT64, int64],
  [ScalarType.SFIXED64, int64],
  [ScalarType.UINT64, uint64],
  [ScalarType.FIXED64, uint64]
])

const readScalar = (checks: Checks, field: DescField & { readonly fieldKind: "scalar" }, json: Json): unknown => {
  const whole = wholes.get(field.scalar)
  if (whole !== undefined) {
    const read = readWhole(whole, json)
    if (typeof read === "bigint") return whole.max > uint32.max ? read : Number(read)
    checks.add(field.name, read)
    return undefined
  }
  if (field.scalar === ScalarType.STRING) {
    if (typeof json !== "string") checks.add(field.name, "must be a string")
    else if (!json.isWellFormed()) checks.add(field.name, "must be valid Unicode")
    else return json
    return undefined
  }
  if (field.scalar === ScalarType.BOOL) {
    if (typeof json === "boolean") return json
    checks.add(field.name, "must be true or false")
    return undefined
  }
  return readByLibrary(checks, field, json)
}

/** A whole number within bounds, or what is wrong with it. */
const readWhole = ({ min, max }: Whole, json: Json): bigint | string => {
  const range = `must be a whole number from ${min} to ${max}`
  if (typeof json === "string") {
    if (!/^-?\d{1,20}$/.test(json)) return range
  } else if (typeof json !== "number" || !Number.isInteger(json)) {
    return range
  } else if (!Number.isSafeInteger(json)) {
    return max > uint32.max ? "must be sent as a string: JSON numbers of this size are not exact" : range
  }
  const value = BigInt(json)
  return value < min || value > max ? range : value
}

/** Kinds of fields that have nothing to be careful about. */
const readByLibrary = (checks: Checks, field: DescField, json: Json): unknown => {
  try {
    const message: object = fromJson(field.parent, { [field.jsonName]: json as JsonValue })
    const { oneof, localName } = field
    if (oneof === undefined) return (message as Record<string, unknown>)[localName]
    return (message as Record<string, { readonly value?: unknown }>)[oneof.localName]?.value
  } catch {
    checks.add(field.name, "is not what this field holds")
    return undefined
  }
}

/** A field of a path or a query, where everything is text. */
export const jsonOf = (field: DescField, text: string): Json => {
  const scalar = field.fieldKind === "scalar" || field.fieldKind === "list" ? field.scalar : undefined
  if (scalar !== ScalarType.BOOL) return text
  return text === "true" ? true : text === "false" ? false : text
}
