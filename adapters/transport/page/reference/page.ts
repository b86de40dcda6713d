import type { CachedDocument } from "../../http/cached-document.ts"
import type { OpenApi, Operation, Schema } from "../../openapi.ts"
import { pageHeaders } from "../policy.ts"
import { html, Markup, prose } from "./markup.ts"
import { style } from "./style.ts"
import { anchorOf, bodyTable, failureTable, fieldTable, parameterTables, successTable, typeOf } from "./tables.ts"

interface Call {
  readonly verb: string
  readonly path: string
  readonly operation: Operation
}

/**
 * The page at `/docs`: the OpenAPI document, to read. It is our own because the ready-made ones are 0.9 to 4.4 MB of
 * script that know where to find fonts, validators or telemetry elsewhere; this is markup alone, and runs no script.
 */
export const referencePage = async (document: OpenApi): Promise<CachedDocument> => ({
  text: page(document).html,
  headers: await pageHeaders(style)
})

const page = (document: OpenApi): Markup => {
  const calls = Object.entries(document.paths).flatMap(([path, verbs]) =>
    Object.entries(verbs).map(([verb, operation]): Call => ({ verb, path, operation }))
  )
  const services = document.tags.map(({ name, description }) => ({
    name,
    description,
    calls: calls.filter(({ operation }) => operation.tags.includes(name))
  }))
  const schemas = Object.entries(document.components.schemas)
  const { title, version, description } = document.info
  // The style goes in as it is: its hash is in the policy.
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}: reference</title>
<link rel="icon" href="data:,">
${styleElement}
</head>
<body>
<nav aria-label="Reference">
  <p class="brand"><a href="#top">${title}</a> <small>${version}</small></p>
  ${services.map(
    (service) => html`<h2>${service.name}</h2>
  <ul>${service.calls.map(({ verb, operation }) => html`<li><a href="#${operation.operationId}">${operation.summary} ${badge(verb)}</a></li>`)}</ul>`
  )}
  <h2>Messages</h2>
  <ul>${schemas.map(([name]) => html`<li><a href="#${anchorOf(name)}">${name}</a></li>`)}</ul>
</nav>
<main id="top">
  <header>
    <h1>${title} over HTTP</h1>
    ${prose(description)}
    <p>For machines: <a href="/openapi.json">openapi.json</a>. The same calls are on this port as gRPC, Connect and gRPC-web.${
      document.security.length > 0 && html` Calls need a token: <code>authorization: Bearer …</code>`
    }</p>
  </header>
  ${services.map(
    (service) => html`<section class="service"><h2>${service.name}</h2>${prose(service.description)}</section>
  ${service.calls.map(call)}`
  )}
  <section class="service"><h2>Messages</h2></section>
  ${schemas.map(message)}
</main>
</body>
</html>
`
}

const styleElement = new Markup(`<style>${style}</style>`)

const badge = (verb: string): Markup => html`<span class="verb ${verb}">${verb.toUpperCase()}</span>`

const call = ({ verb, path, operation }: Call): Markup => {
  const answers = Object.entries(operation.responses)
  return html`<section class="call" id="${operation.operationId}">
<h3><a href="#${operation.operationId}">${operation.summary}</a></h3>
<p class="route">${badge(verb)} <code>${path}</code></p>
${prose(operation.description)}
${parameterTables(operation)}${bodyTable(operation)}
${answers.filter(([status]) => Number(status) < 400).map(successTable)}
${failureTable(answers.filter(([status]) => Number(status) >= 400))}
</section>
`
}

const message = ([name, schema]: readonly [string, Schema]): Markup =>
  html`<section class="message" id="${anchorOf(name)}"><h3>${name}</h3>${prose(schema.description ?? "")}${
    fieldTable("Fields", schema) ??
    (schema.oneOf ?? []).map((choice, i) => fieldTable(i === 0 ? "Either" : "Or", choice) ?? typeOf(choice))
  }</section>
`
