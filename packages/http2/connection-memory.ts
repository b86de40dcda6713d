import type { ConnectionAdmission } from "./admission.ts"
import type { Sheddable } from "./memory-budget.ts"
import type { Output } from "./output.ts"
import { Progress } from "./progress.ts"

/** Memory that a connection holds beside its streams: unread output and incomplete input. */
export class ConnectionMemory {
  readonly #admission: ConnectionAdmission
  readonly #output: Output
  readonly #inputBytes: () => number
  /** How fast the peer reads output, and sends input. */
  readonly #taking = new Progress(performance.now())
  readonly #sending = new Progress(performance.now())
  #heldBytes = 0
  /** Bytes sent at the last sample. */
  #left = 0

  constructor(admission: ConnectionAdmission, output: Output, inputBytes: () => number) {
    this.#admission = admission
    this.#output = output
    this.#inputBytes = inputBytes
  }

  arrived(bytes: number): void {
    this.#sending.moved(bytes)
  }

  /** Charges what is held now, and returns it. */
  account(): number {
    this.#charge(this.#output.heldBytes + this.#inputBytes())
    return this.#heldBytes
  }

  /** Releases everything. */
  release(): void {
    this.#charge(0)
  }

  sample(now: number): void {
    const left = this.#output.sent
    this.#taking.moved(left - this.#left)
    this.#left = left
    this.#taking.sample(now)
    this.#sending.sample(now)
    this.account()
  }

  sheddable(now: number, add: (item: Sheddable) => void, shed: () => void): void {
    const bytes = this.#heldBytes
    if (bytes === 0) return
    const item = { bytes, addressBytes: this.#admission.addressBytes, shed }
    const sending = this.#sending.weighSending(bytes, now)
    if (this.#output.heldBytes > 0) add({ ...item, ...this.#taking.weighTaking(bytes, now) })
    // A frame that the network cut in two is not held for long while its rest arrives.
    else if (sending.isStalled) add({ ...item, ...sending })
  }

  #charge(bytes: number): void {
    if (bytes === this.#heldBytes) return
    this.#admission.charge(bytes - this.#heldBytes)
    this.#heldBytes = bytes
  }
}
