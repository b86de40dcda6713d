import { serveWithEtag } from "../adapters/transport/http/cached-document.ts"
import type { OpenApi } from "../adapters/transport/openapi.ts"
import { referencePage } from "../adapters/transport/page/reference/page.ts"
import { openApi } from "../adapters/transport/rest/openapi/document.ts"
import about from "../package.json" with { type: "json" }
import type { Settings } from "./settings.ts"

/** What the gateway says of its own API, by path: the OpenAPI document, and the page that shows it. */
export const docs = ({ authDisabled }: Pick<Settings, "authDisabled">) => {
  let document: OpenApi | undefined
  const made = () => {
    document ??= openApi({ version: about.version, authDisabled })
    return document
  }
  return {
    "/openapi.json": serveWithEtag(() => ({
      text: JSON.stringify(made()),
      headers: { "content-type": "application/json" }
    })),
    "/docs": serveWithEtag(() => referencePage(made()))
  }
}
