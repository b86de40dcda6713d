/** One piece of a path between slashes: itself, or the value of a field. */
export type Segment = { readonly literal: string } | { readonly field: string }

/**
 * The segments of a path template of google.api.http. Only what one segment can hold is supported: a literal, `{field}`
 * and `{field=*}`. The rest of that language throws, at start, rather than being served as something else.
 */
export const parseTemplate = (template: string): ReadonlyArray<Segment> => {
  if (!template.startsWith("/")) throw new Error(`the path template ${template} does not begin with a slash`)
  const fields = new Set<string>()
  // Braces may hold slashes, which a segment of this API may not: such a piece then matches neither form.
  return template
    .slice(1)
    .split("/")
    .map((text) => {
      const [, field] = /^\{([a-z][a-z0-9_]*)(?:=\*)?\}$/i.exec(text) ?? []
      if (field !== undefined) {
        if (fields.has(field)) throw new Error(`the path template ${template} names ${field} twice`)
        fields.add(field)
        return { field }
      }
      if (/^[\w.~-]+$/.test(text)) return { literal: text }
      throw new Error(`the path template ${template} has a segment that is not supported: ${text}`)
    })
}
