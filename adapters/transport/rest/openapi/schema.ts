import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf"
import { comments } from "../../../../proto/gen/stategate/comments.js"
import type { Schema } from "../../openapi.ts"

/** What the proto says of something; nothing of what was vendored. */
export const commentOn = (fullName: string): string => comments[fullName] ?? ""

/** The schemas that a document refers to, each defined once. */
export class Schemas {
  readonly #named = new Map<string, Schema>()

  /** A message as JSON writes it. */
  message(desc: DescMessage): Schema {
    const known = wellKnown.get(desc.typeName)
    if (known !== undefined) return known
    if (desc.typeName.startsWith("google.protobuf.")) throw new Error(`${desc.typeName} has no OpenAPI schema yet`)
    const name = desc.typeName.replace(/^stategate\./, "")
    if (!this.#named.has(name)) {
      // Known before it is made: a message may hold itself.
      this.#named.set(name, {})
      this.#named.set(name, this.object(desc))
    }
    return { $ref: `#/components/schemas/${name}` }
  }

  /** The object of a message in place, without the fields that are described elsewhere. */
  object(desc: DescMessage, without: ReadonlySet<DescField> = new Set()): Schema {
    const fields = desc.fields.filter((field) => !without.has(field))
    const description = commentOn(desc.typeName)
    return {
      type: "object",
      ...(description === "" ? {} : { description }),
      properties: Object.fromEntries(fields.map((field) => [field.jsonName, this.field(field)]))
    }
  }

  field(field: DescField): Schema {
    const description = describe(field)
    return { ...this.#typeOf(field), ...(description === "" ? {} : { description }) }
  }

  /** A schema of no message of the proto. */
  add(name: string, schema: Schema): Schema {
    this.#named.set(name, schema)
    return { $ref: `#/components/schemas/${name}` }
  }

  all(): Readonly<Record<string, Schema>> {
    return Object.fromEntries([...this.#named].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  #typeOf(field: DescField): Schema {
    switch (field.fieldKind) {
      case "scalar":
        return scalars[field.scalar]
      case "enum":
        return enumeration(field.enum)
      case "message":
        return this.message(field.message)
      case "list":
        return { type: "array", items: this.#element(field.listKind, field) }
      case "map":
        return { type: "object", additionalProperties: this.#element(field.mapKind, field) }
    }
  }

  #element(
    kind: "scalar" | "enum" | "message",
    { scalar, enum: values, message }: Pick<DescField, "scalar" | "enum" | "message">
  ): Schema {
    return kind === "scalar" ? scalars[scalar!] : kind === "enum" ? enumeration(values!) : this.message(message!)
  }
}

/** A field's comment, and that it shares its place with others; the first of them says what that place is. */
export const describe = (field: DescField): string => {
  const own = commentOn(`${field.parent.typeName}.${field.name}`)
  const { oneof } = field
  if (oneof === undefined) return own
  const place = oneof.fields[0] === field ? commentOn(`${field.parent.typeName}.${oneof.name}`) : ""
  return [own, `At most one of ${oneof.fields.map(({ name }) => name).join(", ")}.`, place].join(" ").trim()
}

const enumeration = ({ values }: DescEnum): Schema => ({ type: "string", enum: values.map(({ name }) => name) })

const int32: Schema = { type: "integer", format: "int32" }
const uint32: Schema = { type: "integer", format: "uint32" }
// JSON numbers of this size are not exact, so they are text.
const int64: Schema = { type: "string", format: "int64", pattern: "^-?[0-9]{1,19}$" }
const uint64: Schema = { type: "string", format: "uint64", pattern: "^[0-9]{1,20}$" }

const scalars: Readonly<Record<ScalarType, Schema>> = {
  [ScalarType.STRING]: { type: "string" },
  [ScalarType.BOOL]: { type: "boolean" },
  [ScalarType.BYTES]: { type: "string", contentEncoding: "base64" },
  // NaN and the infinities are words.
  [ScalarType.DOUBLE]: { type: ["number", "string"], format: "double" },
  [ScalarType.FLOAT]: { type: ["number", "string"], format: "float" },
  [ScalarType.INT32]: int32,
  [ScalarType.SINT32]: int32,
  [ScalarType.SFIXED32]: int32,
  [ScalarType.UINT32]: uint32,
  [ScalarType.FIXED32]: uint32,
  [ScalarType.INT64]: int64,
  [ScalarType.SINT64]: int64,
  [ScalarType.SFIXED64]: int64,
  [ScalarType.UINT64]: uint64,
  [ScalarType.FIXED64]: uint64
}

/** Messages that JSON writes in a way of their own. */
const wellKnown: ReadonlyMap<string, Schema> = new Map(
  Object.entries({
    Struct: { type: "object", additionalProperties: true },
    Value: {},
    ListValue: { type: "array", items: {} },
    Empty: { type: "object", additionalProperties: false },
    Timestamp: { type: "string", format: "date-time" },
    Duration: { type: "string", pattern: "^-?[0-9]+([.][0-9]{1,9})?s$" },
    FieldMask: { type: "string" }
  } as const satisfies Record<string, Schema>).map(([name, schema]) => [`google.protobuf.${name}`, schema])
)
