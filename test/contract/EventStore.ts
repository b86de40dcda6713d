// What every store must do, whatever it is made of. An adapter's test calls `contract`; the laws lie in event-store/.

import { Layer } from "effect"
import type { EventStore } from "../../application/ports/EventStore.ts"
import { appending } from "./event-store/appending.ts"
import { deciding } from "./event-store/deciding.ts"
import { finding } from "./event-store/finding.ts"
import { heads } from "./event-store/heads.ts"
import { names } from "./event-store/names.ts"
import { reads } from "./event-store/reads.ts"
import { type Open, reopening } from "./event-store/reopening.ts"
import { values } from "./event-store/values.ts"
import { type Law, register } from "./law.ts"

export interface Options {
  /**
   * For stores that keep what they are given: opens one store, always the same, which is closed with its scope. Where
   * who has a store open locks others out, this is another one than the layer's.
   */
  readonly reopen?: Open
}

export const laws: ReadonlyArray<Law<EventStore>> = [
  ...reads,
  ...appending,
  ...deciding,
  ...heads,
  ...finding,
  ...values,
  ...names
]

export const contract = (name: string, layer: Layer.Layer<EventStore, unknown>, { reopen }: Options = {}): void => {
  register(`EventStore contract (${name})`, laws, layer)
  if (reopen !== undefined) register(`EventStore contract (${name}, reopened)`, reopening(reopen), Layer.empty)
}
