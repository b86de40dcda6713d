/**
 * The filter language of searches: JSON text to a small tree, and what the tree means. Stores compile the tree to their
 * own language and must find what `evaluate` and `compareBy` say. Nothing a client wrote reaches a database as code.
 */
export { compareText } from "./query/compare.ts"
export { evaluate } from "./query/evaluate.ts"
export { compareBy, compareKeys, isBehind, type ParsedSort, parseSort, type SortKey, sortKey } from "./query/order.ts"
export { type ParsedQuery, parseQuery } from "./query/parse.ts"
export {
  type Comparison,
  type Field,
  type FieldPath,
  fields,
  type Operand,
  type Order,
  type Query,
  queryLimits,
  type Subject
} from "./query/tree.ts"
