import type { ConnectionAdmission } from "./admission.ts"
import type { Sheddable } from "./memory-budget.ts"
import type { Output } from "./output.ts"
import { Progress } from "./progress.ts"

/** What a connection holds beside its streams: output that its peer does not take, and input that is not complete. */
export class ConnectionMemory {
  readonly #admission: ConnectionAdmission
  readonly #output: Output
  readonly #inputBytes: () => number
  /** How fast the peer takes what was written, and sends what it began. */
  readonly #taking = new Progress(performance.now())
  readonly #sending = new Progress(performance.now())
  #heldBytes = 0
  /** Bytes that had left when this was last looked at. */
  #left = 0

  constructor(admission: ConnectionAdmission, output: Output, inputBytes: () => number) {
    this.#admission = admission
    this.#output = output
    this.#inputBytes = inputBytes
  }

  arrived(bytes: number): void {
    this.#sending.moved(bytes)
  }

  /** Counts what is held now. */
  account(): number {
    this.#charge(this.#output.heldBytes + this.#inputBytes())
    return this.#heldBytes
  }

  /** Nothing is held any more. */
  release(): void {
    this.#charge(0)
  }

  sample(now: number): void {
    const left = this.#output.left
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
    // The network cuts where it likes: the beginning of a frame is not held for long where more comes.
    else if (sending.isStalled) add({ ...item, ...sending })
  }

  #charge(bytes: number): void {
    if (bytes === this.#heldBytes) return
    this.#admission.charge(bytes - this.#heldBytes)
    this.#heldBytes = bytes
  }
}
