import type { Socket } from "node:net"
import { type ConnectionAdmission, type Holder, Progress, type Sheddable, sentBytes } from "@stategate/http2"

export interface Http1State {
  /** Bytes that are held for the client: input, a request that is not answered, and an answer that is not read. */
  readonly heldBytes: () => number
  /** Nothing is expected of the client: the gateway makes its answer. */
  readonly isServed: () => boolean
  /** The client has still to send something. */
  readonly isSending: () => boolean
}

/** What one HTTP/1.1 connection makes the gateway hold, for the budget that all connections share. */
export class Http1Memory implements Holder {
  readonly #socket: Socket
  readonly #admission: ConnectionAdmission
  readonly #state: Http1State
  readonly #progress = new Progress(performance.now())
  #chargedBytes = 0
  #sentBytes = 0

  constructor(socket: Socket, admission: ConnectionAdmission, state: Http1State) {
    this.#socket = socket
    this.#admission = admission
    this.#state = state
    admission.attach(this)
  }

  /** Charges what is held now. */
  account(): void {
    this.#charge(this.#socket.destroyed ? 0 : this.#state.heldBytes())
  }

  /** Looks at how fast that goes away; gives the bytes of answers that the client has taken so far. */
  sample(now: number, receivedBytes: number): number {
    const sent = sentBytes(this.#socket)
    this.#progress.moved(sent - this.#sentBytes + receivedBytes)
    this.#sentBytes = sent
    this.#progress.sample(now)
    this.account()
    return sent
  }

  sheddable(now: number, add: (item: Sheddable) => void): void {
    const bytes = this.#chargedBytes
    if (bytes === 0 || this.#state.isServed()) return
    const shed = () => {
      this.#socket.destroy()
      this.#charge(0)
    }
    const weight = this.#state.isSending()
      ? this.#progress.weighSending(bytes, now)
      : this.#progress.weighTaking(bytes, now)
    add({ bytes, addressBytes: this.#admission.addressBytes, ...weight, shed })
  }

  close(): void {
    this.#charge(0)
    this.#admission.detach(this)
  }

  #charge(bytes: number): void {
    if (bytes === this.#chargedBytes) return
    this.#admission.charge(bytes - this.#chargedBytes)
    this.#chargedBytes = bytes
  }
}
