import { pageHeaders } from "./policy.ts"
import { script } from "./script.ts"
import { style } from "./style.ts"

export interface Shown {
  /** Whether the reference is served too. */
  readonly docs: boolean
}

const html = ({ docs }: Shown) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>stategate</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<header>
  <h1>stategate</h1>
  <p>Application state behind one API. Every change is an event: durable, in order, for ever.</p>
</header>
<main>
  <section aria-labelledby="use">
    <h2 id="use">Try it</h2>
    <pre><code id="example"></code></pre>
    <ul>
      <li><code>POST PATCH GET DELETE /api/entity/ref/{domain}/{type}/{key}</code></li>
      <li><a href="/api/entity/search?domain=shop&amp;type=order&amp;limit=10"><code>/api/entity/search</code></a> entities by filter</li>
      <li><a href="/api/events/search?domain=shop&amp;type=order&amp;limit=10"><code>/api/events/search</code></a> what happened</li>
      <li><a href="/api/events/stream?domain=*&amp;type=*&amp;beginning=true"><code>/api/events/stream</code></a> what happens</li>
      <li>gRPC, Connect and gRPC-web: the same calls, on this port</li>${docs ? reference : ""}
    </ul>
  </section>
  <section aria-labelledby="tail">
    <h2 id="tail">Live <output id="status" aria-live="polite">connecting</output></h2>
    <table>
      <thead><tr><th>position</th><th>time</th><th>change</th><th>entity</th><th>values</th></tr></thead>
      <tbody id="events"><tr class="empty"><td colspan="5">Nothing yet. Paste the lines above into a terminal.</td></tr></tbody>
    </table>
  </section>
</main>
<script>${script}</script>
</body>
</html>
`

const reference = `
      <li><a href="/docs">Reference</a> of every call, and as <a href="/openapi.json">OpenAPI</a></li>`

/** The page at `/`: what this is, where to go, and a live tail. One response, no other file, nothing from elsewhere. */
export const homePage = async (shown: Shown): Promise<() => Response> => {
  const headers = await pageHeaders(style, script, "connect-src 'self'")
  const text = html(shown)
  return () => new Response(text, { headers })
}
