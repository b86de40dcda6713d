import type { Answer, Content, Operation, Parameter, Schema } from "../../openapi.ts"
import { html, type Markup, prose } from "./markup.ts"

export const anchorOf = (schema: string): string => `schema-${schema}`

/** What a value is, in a few words; what has a name is a link to it. */
export const typeOf = (schema: Schema): Markup => {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1)
    return html`<a href="#${anchorOf(name)}">${name}</a>`
  }
  if (schema.items !== undefined) return html`list of ${typeOf(schema.items)}`
  if (schema.enum !== undefined) return html`${schema.enum.join(" | ")}`
  const type = typeof schema.type === "string" ? schema.type : (schema.type ?? ["any"]).join(" or ")
  if (schema.additionalProperties === false && schema.properties === undefined) return html`{}`
  return html`${type}${schema.format !== undefined && html` <small>${schema.format}</small>`}`
}

interface Row {
  readonly name: string
  readonly required?: boolean
  readonly schema: Schema
  readonly description: string
}

const table = (caption: string, rows: ReadonlyArray<Row>): Markup | undefined =>
  rows.length === 0
    ? undefined
    : html`<div class="scroll"><table><caption>${caption}</caption><tbody>${rows.map(
        ({ name, required, schema, description }) =>
          html`<tr><th scope="row"><code>${name}</code>${required && html` <small>required</small>`}</th><td class="type">${typeOf(schema)}</td><td>${prose(description)}</td></tr>`
      )}</tbody></table></div>`

const titles: ReadonlyArray<readonly [Parameter["in"], string]> = [
  ["path", "In the path"],
  ["query", "In the query"],
  ["header", "Headers"]
]

export const parameterTables = ({ parameters }: Operation): ReadonlyArray<Markup> =>
  titles.flatMap(([place, title]) => {
    const rows = parameters
      .filter((parameter) => parameter.in === place)
      // A path is not a path without its parts, so that need not be said.
      .map(({ name, required, schema, description }) => ({
        name,
        required: required === true && place !== "path",
        schema,
        description
      }))
    return table(title, rows) ?? []
  })

export const fieldTable = (title: string, { properties = {}, required = [] }: Schema): Markup | undefined =>
  table(
    title,
    Object.entries(properties).map(([name, schema]) => ({
      name,
      required: required.includes(name),
      schema,
      description: schema.description ?? ""
    }))
  )

export const bodyTable = ({ requestBody }: Operation): Markup | undefined => {
  const [[type, { schema }] = ["", { schema: {} }]] = Object.entries(requestBody?.content ?? {})
  if (type === "") return undefined
  const title = `Body, ${type}`
  return schema.properties === undefined
    ? table(title, [{ name: "body", schema, description: schema.description ?? "" }])
    : fieldTable(title, schema)
}

const contentOf = (content: Content): ReadonlyArray<Markup> =>
  Object.entries(content).map(
    ([type, { schema, example }]) =>
      html`<p><code>${type}</code> ${typeOf(schema)}</p>${schema.description !== undefined && prose(schema.description)}${
        example !== undefined && html`<pre>${example.trim()}</pre>`
      }`
  )

export const successTable = ([status, { description, headers, content = {} }]: readonly [string, Answer]): Markup =>
  html`<div class="answer"><h4>${status}</h4><div>${prose(description)}${contentOf(content)}</div></div>${table(
    `Headers of ${status}`,
    Object.entries(headers).map(([name, { description: says, schema }]) => ({ name, schema, description: says }))
  )}`

/** Failures all carry the same, so a line each is enough. */
export const failureTable = (failures: ReadonlyArray<readonly [string, Answer]>): Markup =>
  html`<details><summary>Failures: ${failures.map(([status]) => status).join(", ")}</summary><div class="scroll"><table><tbody>${failures.map(
    ([status, { description }]) => html`<tr><th scope="row">${status}</th><td>${prose(description)}</td></tr>`
  )}</tbody></table></div></details>`
