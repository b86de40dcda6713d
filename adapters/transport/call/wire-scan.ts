// Looks through a message of protocol buffers before it is decoded: what it would become in memory can be a hundred times
// as large, and a decoder has no limit for that.

import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf"
import { requestValuesMax, valuesDepthMax } from "../../../application/limits.ts"
import type { Violation } from "../../../domain/rejection.ts"

/** How deep messages nest: each level of values is two messages, a Struct and a Value; some more are around them. */
export const recursionLimit = 2 * valuesDepthMax + 12

/** Fields on the wire for each key or value of JSON: an entry of a list is two, one of an object four. */
const fieldsPerValue = 2

/** What is wrong with a message as it came, or undefined if it can be decoded at a bounded cost. */
export const wireProblem = (
  desc: DescMessage,
  bytes: Uint8Array,
  valuesMax = requestValuesMax
): Violation | undefined => {
  const scan = new Scan(bytes, valuesMax * fieldsPerValue)
  try {
    scan.message(shapeOf(desc), 0, bytes.length, 1)
    return undefined
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return { field: error.path || "message", rule: error.rule }
  }
}

class Refused extends Error {
  readonly rule: string
  /** From the message down to the field; put together on the way up. */
  path = ""

  constructor(rule: string) {
    super(rule)
    this.rule = rule
  }

  within(segment: string): this {
    if (segment === "" || this.path === "" || this.path.startsWith("[")) this.path = segment + this.path
    else this.path = `${segment}.${this.path}`
    return this
  }
}

/** The fields of a message, by number. */
interface Shape {
  readonly fields: ReadonlyMap<number, Field>
  /** `google.protobuf.Value`, which stands for nothing if none of its fields is set. */
  readonly isValue: boolean
  /** An entry of a map of these, which has one even if it is left out. */
  readonly holdsValue: boolean
}

interface Field {
  /** As a path names it; empty where the path would be longer than that of the same value in JSON. */
  readonly name: string
  /** Of the wire: 0 for varints, 1 for 8 bytes, 2 for what has a length, 5 for 4 bytes. */
  readonly wireType: number
  readonly isPackable: boolean
  readonly isList: boolean
  readonly isMap: boolean
  /** Of a field that holds a message; made when it is first needed, since types may hold themselves. */
  readonly shape: (() => Shape) | undefined
}

const varint = 0
const fixed64 = 1
const lengthDelimited = 2
const groupStart = 3
const groupEnd = 4
const fixed32 = 5

const fixed64Scalars: ReadonlySet<ScalarType> = new Set([ScalarType.DOUBLE, ScalarType.FIXED64, ScalarType.SFIXED64])
const fixed32Scalars: ReadonlySet<ScalarType> = new Set([ScalarType.FLOAT, ScalarType.FIXED32, ScalarType.SFIXED32])

const wireTypeOf = (scalar: ScalarType): number => {
  if (scalar === ScalarType.STRING || scalar === ScalarType.BYTES) return lengthDelimited
  return fixed64Scalars.has(scalar) ? fixed64 : fixed32Scalars.has(scalar) ? fixed32 : varint
}

const shapes = new WeakMap<DescMessage, Shape>()

const shapeOf = (desc: DescMessage): Shape => {
  const known = shapes.get(desc)
  if (known !== undefined) return known
  const isValue = desc.typeName === "google.protobuf.Value"
  const isStruct = desc.typeName === "google.protobuf.Struct" || desc.typeName === "google.protobuf.ListValue"
  const fields = new Map(desc.fields.map((field) => [field.number, fieldOf(field, isValue || isStruct)]))
  const shape: Shape = { fields, isValue, holdsValue: false }
  shapes.set(desc, shape)
  return shape
}

const plain = { isPackable: false, isList: false, isMap: false, shape: undefined }

const fieldOf = (field: DescField, isUnnamed: boolean): Field => {
  const name = isUnnamed ? "" : field.name
  switch (field.fieldKind) {
    case "scalar":
      return { ...plain, name, wireType: wireTypeOf(field.scalar) }
    case "enum":
      return { ...plain, name, wireType: varint }
    case "message": {
      const { message, delimitedEncoding } = field
      const wireType = delimitedEncoding ? groupStart : lengthDelimited
      return { ...plain, name, wireType, shape: () => shapeOf(message) }
    }
    case "list": {
      const list = { ...plain, name, isList: true }
      if (field.listKind === "message") {
        const { message, delimitedEncoding } = field
        const wireType = delimitedEncoding ? groupStart : lengthDelimited
        return { ...list, wireType, shape: () => shapeOf(message) }
      }
      const wireType = field.listKind === "enum" ? varint : wireTypeOf(field.scalar)
      return { ...list, wireType, isPackable: wireType !== lengthDelimited }
    }
    case "map": {
      const entry = entryShape(field)
      return { ...plain, name, wireType: lengthDelimited, isMap: true, shape: () => entry }
    }
  }
}

/** Maps are lists of entries on the wire, with the key in field 1 and the value in field 2. */
const entryShape = (field: DescField & { readonly fieldKind: "map" }): Shape => {
  const key: Field = { ...plain, name: "", wireType: wireTypeOf(field.mapKey) }
  const value = (): Field => {
    if (field.mapKind === "scalar") return { ...plain, name: "", wireType: wireTypeOf(field.scalar) }
    if (field.mapKind === "enum") return { ...plain, name: "", wireType: varint }
    const { message } = field
    return { ...plain, name: "", wireType: lengthDelimited, shape: () => shapeOf(message) }
  }
  const holdsValue = field.mapKind === "message" && field.message.typeName === "google.protobuf.Value"
  return { fields: new Map([[1, key] as const, [2, value()] as const]), isValue: false, holdsValue }
}

const unknown: Shape = { fields: new Map(), isValue: false, holdsValue: false }

const malformed = (at: number): Refused => new Refused(`cannot be read: it is malformed at byte ${at}`)
const noKind = (): Refused => new Refused("must be null, a number, a string, a boolean, an object or a list")

class Scan {
  readonly #bytes: Uint8Array
  readonly #fieldsMax: number
  #count = 0
  #at = 0

  constructor(bytes: Uint8Array, fieldsMax: number) {
    this.#bytes = bytes
    this.#fieldsMax = fieldsMax
  }

  /** Ends at `end`, or, if it is a group, at its own end. */
  message(shape: Shape, start: number, end: number, depth: number, group = 0): void {
    if (depth > recursionLimit) throw new Refused(`cannot be read: it nests deeper than ${recursionLimit} messages`)
    this.#at = start
    let hasValue = false
    while (this.#at < end) {
      const tag = this.#uint32(end)
      const number = tag >>> 3
      const wireType = tag & 7
      if (number === 0) throw malformed(this.#at)
      if (wireType === groupEnd) {
        if (number !== group) throw malformed(this.#at)
        group = 0
        break
      }
      this.#counted(1)
      const field = shape.fields.get(number)
      if (field === undefined) {
        this.#skip(wireType, number, end, depth)
        continue
      }
      if (shape.isValue || number === 2) hasValue = true
      if (field.wireType !== wireType) this.#packed(field, wireType, end)
      else if (field.shape === undefined) this.#skip(wireType, number, end, depth)
      else this.#part(field, number, start, end, depth)
    }
    if (group !== 0) throw malformed(this.#at)
    if ((shape.isValue || shape.holdsValue) && !hasValue) throw noKind()
  }

  #part(field: Field, number: number, parent: number, end: number, depth: number): void {
    const isGroup = field.wireType === groupStart
    const length = isGroup ? end - this.#at : this.#uint32(end)
    const start = this.#at
    if (length > end - start) throw malformed(start)
    try {
      this.message(field.shape!(), start, start + length, depth + 1, isGroup ? number : 0)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      if (field.isMap) throw error.within(this.#keyIn(start, start + length)).within(field.name)
      throw error.within(field.isList ? `${field.name}[${this.#indexOf(number, parent, start)}]` : field.name)
    }
  }

  /** Numbers of a list may come one by one or as one run of bytes; any other type would be read as something else. */
  #packed(field: Field, wireType: number, end: number): void {
    if (!field.isPackable || wireType !== lengthDelimited) throw malformed(this.#at).within(field.name)
    const length = this.#uint32(end)
    if (length > end - this.#at) throw malformed(this.#at)
    this.#counted(field.wireType === fixed64 ? length >> 3 : field.wireType === fixed32 ? length >> 2 : length)
    this.#at += length
  }

  #skip(wireType: number, number: number, end: number, depth: number): void {
    if (wireType === varint) this.#skipVarint(end)
    else if (wireType === fixed64) this.#advance(8, end)
    else if (wireType === fixed32) this.#advance(4, end)
    else if (wireType === lengthDelimited) this.#advance(this.#uint32(end), end)
    else if (wireType === groupStart) this.message(unknown, this.#at, end, depth + 1, number)
    else throw malformed(this.#at)
  }

  #advance(bytes: number, end: number): void {
    if (bytes > end - this.#at) throw malformed(this.#at)
    this.#at += bytes
  }

  #counted(fields: number): void {
    this.#count += fields
    if (this.#count > this.#fieldsMax) throw new Refused(`must not hold more than ${this.#fieldsMax} fields`)
  }

  #skipVarint(end: number): void {
    for (let i = 0; i < 10; i++) {
      if (this.#at === end) throw malformed(this.#at)
      if (this.#bytes[this.#at++]! < 0x80) return
    }
    throw malformed(this.#at)
  }

  #uint32(end: number): number {
    let value = 0
    for (let i = 0; i < 5 && this.#at < end; i++) {
      const byte = this.#bytes[this.#at++]!
      if (byte < 0x80 && i < 4) return value | (byte << (7 * i))
      if (byte < 0x10) return value + byte * 2 ** 28
      value |= (byte & 0x7f) << (7 * i)
    }
    throw malformed(this.#at)
  }

  /** How many of a list come before the one at `to`, in the message that begins at `from`. */
  #indexOf(number: number, from: number, to: number): number {
    let index = -1
    for (this.#at = from; this.#at < to; ) {
      const tag = this.#uint32(to)
      if (tag >>> 3 === number) index++
      // The last one only begins before `to`.
      if (tag >>> 3 === number && (tag & 7) === lengthDelimited) {
        const length = this.#uint32(to)
        this.#at += length
      } else this.#skip(tag & 7, tag >>> 3, to, 1)
    }
    return index
  }

  /** The key of an entry, which may come before its value or after it, or be left out if it is empty. */
  #keyIn(from: number, to: number): string {
    let key = ""
    for (this.#at = from; this.#at < to; ) {
      const tag = this.#uint32(to)
      if (tag !== ((1 << 3) | lengthDelimited)) {
        this.#skip(tag & 7, tag >>> 3, to, 1)
        continue
      }
      const length = this.#uint32(to)
      if (length > to - this.#at) break
      key = new TextDecoder().decode(this.#bytes.subarray(this.#at, this.#at + length))
      this.#at += length
    }
    if (key === "") return '""'
    return key.length > 64 ? `${key.slice(0, 64).toWellFormed()}…` : key
  }
}
