import type { Query } from "../../domain/query.ts"

/** The one key that everything has which passes a query, where the query says so: then no other rows need a look. */
export const pinnedKey = (query: Query): string | undefined => {
  switch (query.kind) {
    case "equals": {
      const [key, ...others] = query.anyOf
      const isKey = query.at.kind === "field" && query.at.field === "entity.key"
      return isKey && others.length === 0 && typeof key === "string" ? key : undefined
    }
    case "and":
      return query.of.map(pinnedKey).find((key) => key !== undefined)
    default:
      return undefined
  }
}
