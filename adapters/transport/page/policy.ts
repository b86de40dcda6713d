/** The headers of a page that runs this script and no other, looks like this style says, and loads what `more` allows. */
export const pageHeaders = async (
  style: string,
  script?: string,
  ...more: ReadonlyArray<string>
): Promise<Readonly<Record<string, string>>> => {
  const policy = [
    "default-src 'none'",
    // Exactly these, so that nothing which found its way into the page would run.
    ...(script === undefined ? [] : [`script-src ${await sha256(script)}`]),
    `style-src ${await sha256(style)}`,
    "img-src data:",
    ...more,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; ")
  return {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policy,
    "cache-control": "no-cache",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff"
  }
}

const sha256 = async (text: string): Promise<string> => {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))
  return `'sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}'`
}
