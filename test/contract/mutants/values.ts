// Stores that keep something a little different from what they were given.

import type { Event } from "../../../domain/event.ts"
import { methods } from "../../../domain/event.ts"
import { isArray, type Json, type JsonObject, jsonText } from "../../../domain/json.ts"
import { keeps, keepsValues, type StoreMutant } from "./mutant.ts"

const exact = "values and claims come back exactly"
const largest = "the largest values come back exactly"
const everything = "method, claims, idempotency, trace and the mark of erasure come back"
const integers = "times and versions are exact up to 2^63 - 1"
const names = "names are kept apart and come back exactly, as keys, types and domains"

/** Changes scalars wherever they stand; what becomes undefined is left out. */
const mapped = (value: Json, change: (scalar: Json) => Json | undefined): Json | undefined => {
  if (value === null || typeof value !== "object") return change(value)
  if (isArray(value)) return value.map((item) => mapped(item, change) ?? null)
  const entries = Object.entries(value).map(([key, item]) => [key, mapped(item, change)] as const)
  return Object.fromEntries(entries.filter((entry): entry is [string, Json] => entry[1] !== undefined))
}

const scalars = (does: string, change: (scalar: Json) => Json | undefined): StoreMutant =>
  keepsValues(does, exact, (values) => mapped(values, change) as JsonObject)

const keys = (does: string, change: (entries: ReadonlyArray<readonly [string, Json]>) => JsonObject): StoreMutant =>
  keepsValues(does, exact, (values) => change(Object.entries(values)))

const assigned = (entries: ReadonlyArray<readonly [string, Json]>): JsonObject => {
  const copy: Record<string, Json> = {}
  for (const [key, value] of entries) copy[key] = value
  return copy
}

const double = (integer: bigint): bigint => BigInt(Number(integer))

const renamed = (does: string, change: (key: string) => string): StoreMutant =>
  keeps(does, names, (event) => ({ ...event, entity: { ...event.entity, key: change(event.entity.key) } }))

const withoutCall = ({ idempotency: _, ...event }: Event): Event => event
const withoutTrace = ({ traceparent: _, ...event }: Event): Event => event

export const values: ReadonlyArray<StoreMutant> = [
  keys("loses __proto__", assigned),
  keys("loses empty keys", (entries) => Object.fromEntries(entries.filter(([key]) => key !== ""))),
  keys("takes a dot for a path", (entries) =>
    Object.fromEntries(entries.map(([key, value]) => [key.split(".")[0]!, value]))
  ),
  keys("loses keys that start with $", (entries) =>
    Object.fromEntries(entries.filter(([key]) => !key.startsWith("$")))
  ),
  scalars("loses null", (scalar) => scalar ?? undefined),
  scalars("rounds numbers to single precision", (scalar) =>
    typeof scalar === "number" ? Math.fround(scalar) : scalar
  ),
  scalars("takes whole numbers for 64-bit integers", (scalar) =>
    typeof scalar === "number" && Number.isInteger(scalar) ? Number(BigInt.asIntN(64, BigInt(scalar))) : scalar
  ),
  scalars("rounds the smallest numbers to 0", (scalar) =>
    typeof scalar === "number" && Math.abs(scalar) < 1e-300 ? 0 : scalar
  ),
  scalars("normalizes texts", (scalar) => (typeof scalar === "string" ? scalar.normalize() : scalar)),
  scalars("keeps characters of 16 bits alone", (scalar) =>
    typeof scalar === "string" ? scalar.replace(/[\u{10000}-\u{10ffff}]/gu, "\ufffd") : scalar
  ),
  scalars("takes texts that look like numbers for numbers", (scalar) =>
    typeof scalar === "string" && scalar !== "" && Number.isFinite(Number(scalar)) ? Number(scalar) : scalar
  ),
  keeps("keeps claims without their values", exact, (event) => ({
    ...event,
    claims: assigned(Object.entries(event.claims).slice(0, 1))
  })),
  keepsValues("cuts what is large", largest, (kept) => (jsonText(kept).length > 500_000 ? { text: "cut" } : kept)),
  keeps("forgets idempotency", everything, withoutCall),
  keeps("forgets the hash of a call", everything, (event) =>
    event.idempotency === undefined ? event : { ...event, idempotency: { ...event.idempotency, hash: "" } }
  ),
  keeps("forgets the trace", everything, withoutTrace),
  keeps("forgets what was erased", everything, (event) => ({ ...event, erased: false })),
  keeps("forgets claims", everything, (event) => ({ ...event, claims: {} })),
  keeps("calls every change a Set", everything, (event) => ({
    ...event,
    method: event.method === methods.del ? methods.del : methods.set
  })),
  keeps("keeps times as doubles", integers, (event) => ({ ...event, time: double(event.time) })),
  keeps("keeps versions as doubles", integers, (event) => ({
    ...event,
    entity: { ...event.entity, version: double(event.entity.version) }
  })),
  renamed("cuts long names", (key) => key.slice(0, 60)),
  renamed("normalizes names", (key) => key.normalize()),
  renamed("reads names as URLs do", (key) => key.replace("%41", "A"))
]
