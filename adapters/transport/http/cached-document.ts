/** A text that is the same for as long as the process lives; made when it is first asked for. */
export interface CachedDocument {
  readonly text: string
  readonly headers: Readonly<Record<string, string>>
}

/** Serves it with an entity tag: a client that has it already gets 304. */
export const serveWithEtag = (
  make: () => CachedDocument | Promise<CachedDocument>
): ((request: Request) => Promise<Response>) => {
  const tagged = async () => {
    const { text, headers } = await make()
    const bytes = new TextEncoder().encode(text)
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
    const etag = `"${Array.from(digest.slice(0, 12), (byte) => byte.toString(16).padStart(2, "0")).join("")}"`
    return { bytes, etag, headers: { "cache-control": "no-cache", ...headers, etag } }
  }
  let cached: ReturnType<typeof tagged> | undefined
  return async (request) => {
    cached ??= tagged()
    const { bytes, etag, headers } = await cached
    const known = (request.headers.get("if-none-match") ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""))
    if (known.includes(etag) || known.includes("*")) return new Response(null, { status: 304, headers })
    return new Response(bytes, { headers })
  }
}
