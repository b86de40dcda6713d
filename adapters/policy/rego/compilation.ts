/** A file of Rego. */
export interface RegoModule {
  /** As problems name it. */
  readonly path: string
  readonly source: string
}

export type RegoVersion = "v0" | "v1"

/** What to compile. The names are those of tools/rego-compiler. */
export interface Compilation {
  readonly modules: ReadonlyArray<RegoModule>
  /** Rules as paths, such as `stategate/authz/allow`. */
  readonly entrypoints: ReadonlyArray<string>
  /** Makes every test rule an entrypoint. */
  readonly tests?: boolean
  /** Keeps calls of `print`. */
  readonly print?: boolean
  /** Empty tries v1, then v0. */
  readonly version: RegoVersion | ""
}

export interface Place {
  readonly path: string
  /** From 1; 0 where there is no place. */
  readonly row: number
  readonly column: number
}

export interface Problem extends Place {
  readonly reason: string
}

export interface TestRule extends Place {
  readonly entrypoint: string
  readonly todo: boolean
}

export interface Compiled {
  readonly version: RegoVersion
  /** Base64; absent where there are problems. */
  readonly wasm?: string
  /** Builtins that the modules call, each with its first place. */
  readonly calls: Readonly<Record<string, Place>>
  readonly tests: ReadonlyArray<TestRule>
  readonly problems: ReadonlyArray<Problem>
}

/** A problem as compilers print it: `file:line:column: reason`. */
export const problemText = ({ path, row, column, reason }: Problem): string =>
  row === 0 ? reason : `${path}:${row}:${column}: ${reason}`
