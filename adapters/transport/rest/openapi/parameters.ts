import type { DescField, DescMessage } from "@bufbuild/protobuf"
import type { Parameter, Schema } from "../../openapi.ts"
import { fieldOf } from "../read.ts"
import type { Route } from "../routes.ts"
import { describe, type Schemas } from "./schema.ts"

/** The fields that the path holds. */
export const fieldsInPath = ({ rpc, segments }: Route): ReadonlySet<DescField> =>
  new Set(segments.flatMap((segment) => ("field" in segment ? [fieldOf(rpc.input, segment.field)!] : [])))

/** The fields of a call that are in its path and its query. */
export const fieldParameters = (schemas: Schemas, route: Route): ReadonlyArray<Parameter> => {
  const inPath = fieldsInPath(route)
  const path = Array.from(
    inPath,
    (field): Parameter => ({
      name: field.name,
      in: "path",
      required: true,
      description: describe(field),
      schema: typeOf(schemas, field)
    })
  )
  if (route.body === "*") return path
  const body = fieldOf(route.rpc.input, route.body)
  const rest = route.rpc.input.fields.filter((field) => !inPath.has(field) && field !== body)
  return [...path, ...rest.flatMap((field) => queryOf(schemas, field, [], [route.rpc.input]))]
}

/** A field as query parameters: one, or with dots those of the message that it holds. What a query cannot hold has none. */
const queryOf = (
  schemas: Schemas,
  field: DescField,
  above: ReadonlyArray<DescField>,
  within: ReadonlyArray<DescMessage>
): ReadonlyArray<Parameter> => {
  const path = [...above, field]
  if (field.fieldKind === "message") {
    const { message } = field
    if (message.typeName.startsWith("google.protobuf.") || within.includes(message)) return []
    return message.fields.flatMap((inner) => queryOf(schemas, inner, path, [...within, message]))
  }
  if (field.fieldKind === "map" || (field.fieldKind === "list" && field.listKind === "message")) return []
  return [
    {
      name: path.map(({ name }) => name).join("."),
      in: "query",
      description: path.map(describe).join(" ").trim(),
      ...(field.fieldKind === "list" ? { style: "form", explode: true } : {}),
      schema: typeOf(schemas, field)
    }
  ]
}

/** The description is the parameter's own. */
const typeOf = (schemas: Schemas, field: DescField): Schema => {
  const { description: _, ...schema } = schemas.field(field)
  return schema
}
