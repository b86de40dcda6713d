/** Markup, as opposed to text, which must not be taken for it. */
export class Markup {
  readonly html: string

  constructor(html: string) {
    this.html = html
  }
}

type Part = Markup | string | number | false | undefined | ReadonlyArray<Markup>

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => escapes[character]!)

const htmlOf = (part: Part): string => {
  if (part === undefined || part === false) return ""
  if (part instanceof Markup) return part.html
  if (typeof part === "object") return part.map(htmlOf).join("")
  return escaped(String(part))
}

/** Markup with values in it, each of which is text unless it is markup itself. */
export const html = (strings: TemplateStringsArray, ...parts: ReadonlyArray<Part>): Markup =>
  new Markup(strings.map((string, i) => string + (i < parts.length ? htmlOf(parts[i]) : "")).join(""))

/** Paragraphs of text; what is between backticks is code. */
export const prose = (text: string): Markup =>
  new Markup(
    text
      .split("\n\n")
      .filter((paragraph) => paragraph !== "")
      .map((paragraph) => html`<p>${inline(paragraph)}</p>`.html)
      .join("")
  )

const inline = (text: string): ReadonlyArray<Markup> =>
  text.split(/`([^`]+)`/).map((piece, i) => (i % 2 === 1 ? html`<code>${piece}</code>` : html`${piece}`))
