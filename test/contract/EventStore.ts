// What every store must do, whatever it is made of. An adapter's test calls `contract`; the laws lie in event-store/.

import { Layer } from "effect"
import type { EventStore } from "../../application/ports/EventStore.ts"
import { appending } from "./event-store/appending.ts"
import { deciding } from "./event-store/deciding.ts"
import { finding } from "./event-store/finding.ts"
import { openTwice } from "./event-store/gateways.ts"
import { heads } from "./event-store/heads.ts"
import { names } from "./event-store/names.ts"
import { paging } from "./event-store/paging.ts"
import { reads } from "./event-store/reads.ts"
import { type Open, reopening } from "./event-store/reopening.ts"
import { sharing } from "./event-store/sharing.ts"
import { values } from "./event-store/values.ts"
import { type Except, type Law, register } from "./law.ts"

export interface Options {
  /**
   * For stores that keep what they are given: opens one store, always the same, which is closed with its scope. Where
   * who has a store open locks others out, this is another one than the layer's.
   */
  readonly reopen?: Open
  /** For stores that several gateways use at once: opens one more on a storage, always the same. */
  readonly share?: Open
  /** What the server behind the store cannot do. */
  readonly except?: Except
}

export const laws: ReadonlyArray<Law<EventStore>> = [
  ...reads,
  ...appending,
  ...deciding,
  ...heads,
  ...finding,
  ...paging,
  ...values,
  ...names
]

export const contract = (
  name: string,
  layer: Layer.Layer<EventStore, unknown>,
  { reopen, share, except }: Options = {}
): void => {
  const reopened = reopen === undefined ? [] : reopening(reopen)
  const shared = share === undefined ? [] : sharing
  const known = new Set([...laws, ...reopened, ...shared].map((law) => law.name))
  const unknown = Object.keys(except?.cannot ?? {}).filter((law) => !known.has(law))
  if (unknown.length > 0) throw new Error(`no law to leave out: ${unknown.join(", ")}`)

  register(`EventStore contract (${name})`, laws, layer, except)
  if (reopen !== undefined) register(`EventStore contract (${name}, reopened)`, reopened, Layer.empty, except)
  if (share !== undefined) register(`EventStore contract (${name}, shared)`, shared, openTwice(share), except)
}
