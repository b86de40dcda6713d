import { searchQueriesMax } from "../../../application/limits.ts"
import { termOf } from "../../../application/storage/index-terms.ts"
import type { Query } from "../../../domain/query.ts"
import { entityTerm, idTerm } from "./rows.ts"

// What the servers can tell of a query. What they find is looked at again, so it may be too much, but never too little.

/** Terms that an entity has, all of them, by which one query finds it. */
export type Terms = ReadonlyArray<number>

/**
 * Sets of terms: everything that passes has all terms of one of them, if all of its terms are kept. Undefined where
 * terms can tell nothing, or not in a few queries.
 */
export const termsFor = (query: Query): ReadonlyArray<Terms> | undefined => {
  switch (query.kind) {
    case "equals": {
      const { at, anyOf } = query
      if (at.kind !== "json") return undefined
      return few(anyOf.filter((value) => typeof value !== "bigint").map((value) => [termOf(at.path, value)]))
    }
    case "and":
      return query.of
        .map(termsFor)
        .filter((sets) => sets !== undefined)
        .reduce<ReadonlyArray<Terms> | undefined>(
          (all, sets) => (all === undefined ? sets : both(all, sets)),
          undefined
        )
    case "or":
      return few(whole(query.of.map(termsFor))?.flat())
    default:
      return undefined
  }
}

/** Sets for what passes two queries; at least those of one of them. */
const both = (some: ReadonlyArray<Terms>, others: ReadonlyArray<Terms>): ReadonlyArray<Terms> =>
  few(some.flatMap((terms) => others.map((more) => [...new Set([...terms, ...more])].slice(0, searchQueriesMax)))) ??
  (others.length < some.length ? others : some)

/** Terms of events: everything that passes has one of them. Undefined where terms cannot tell, or not a few. */
export const eventTermsFor = (query: Query, domain: string, type: string): ReadonlyArray<bigint> | undefined => {
  switch (query.kind) {
    case "equals": {
      const { at, anyOf } = query
      if (at.kind !== "field") return undefined
      const texts = anyOf.filter((value) => typeof value === "string")
      if (at.field === "id") return few(texts.map((id) => idTerm(domain, id)))
      return at.field === "entity.key" ? few(texts.map((key) => entityTerm({ domain, type, key }))) : undefined
    }
    case "and":
      return query.of
        .map((part) => eventTermsFor(part, domain, type))
        .filter((terms) => terms !== undefined)
        .sort((a, b) => a.length - b.length)[0]
    case "or":
      return few(whole(query.of.map((part) => eventTermsFor(part, domain, type)))?.flat())
    default:
      return undefined
  }
}

const few = <A>(some: ReadonlyArray<A> | undefined): ReadonlyArray<A> | undefined =>
  some === undefined || some.length > searchQueriesMax ? undefined : some

const whole = <A>(parts: ReadonlyArray<A | undefined>): ReadonlyArray<A> | undefined =>
  parts.every((part) => part !== undefined) ? parts : undefined
