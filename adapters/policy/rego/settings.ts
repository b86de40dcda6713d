import type { RegoVersion } from "./compilation.ts"

/** Where the bytes of a policy or of its data come from; the name is what problems call it. */
export type Origin =
  | { readonly _tag: "Inline"; readonly name: string; readonly bytes: Uint8Array }
  | { readonly _tag: "File"; readonly name: string; readonly path: string }

export interface RegoSettings {
  readonly request: Origin | undefined
  /** What becomes of requests without a policy: they are denied, unless nobody has to say who they are. */
  readonly allowsByDefault: boolean
  /** Undefined: every response is sent. */
  readonly response: Origin | undefined
  readonly data: Origin | undefined
  /** Empty tries v1, then v0. */
  readonly version: RegoVersion | ""
  /** Milliseconds that an evaluation may take; above, it denies. */
  readonly budgetMs: number
  /** Where compiled policies are kept; undefined: nowhere. */
  readonly folder: string | undefined
}
