/** The target of a request in origin form, as it was sent: the path that was compared elsewhere is the path served here. */
export interface Target {
  readonly path: string
  readonly query: string
}

/** Parts of a target. Nothing in it is decoded or resolved. */
export const partsOf = (target: string): Target => {
  const mark = target.indexOf("?")
  return mark < 0 ? { path: target, query: "" } : { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

/** The target of a URL that a platform made, and may have resolved. */
export const targetOfUrl = (url: string): string => {
  const [whole = ""] = url.split("#", 1)
  return whole.slice(whole.indexOf("/", whole.indexOf("://") + 3))
}

const dot = "(?:\\.|%2e)"
const dotSegment = new RegExp(`(?:^|/)${dot}{1,2}(?:/|$)`, "i")

/** Why a target is refused whatever it is for, or undefined. */
export const targetProblem = (target: string): string | undefined => {
  if (!target.startsWith("/")) return "the request target must be a path, or an http or https URL"
  if (!/^[\x21-\x7e]*$/.test(target)) return "the request target must be ASCII; percent-encode what is not, as UTF-8"
  if (target.includes("#")) return "the request target must not have a fragment; percent-encode # as %23"
  const { path } = partsOf(target)
  if (path.includes("\\")) return "the path must not hold a backslash; percent-encode it as %5C"
  // A proxy may have compared the path before or after it resolved them, and no name can be one.
  if (dotSegment.test(path)) return "the path must not hold the segments . and .., encoded or not"
  return undefined
}

/** A target in absolute form as origin form, and the authority that it names; undefined if it is in another form. */
export const originForm = (target: string): { readonly target: string; readonly authority: string } | undefined => {
  const [, authority, rest] = /^https?:\/\/([^/?#@\\]+)(.*)$/is.exec(target) ?? []
  if (authority === undefined || rest === undefined) return undefined
  return { authority, target: rest.startsWith("/") ? rest : `/${rest}` }
}
