import type { ListenerLimits } from "../../../application/limits.ts"

type Limits = Pick<ListenerLimits, "connectionTurnMsMax" | "addressTurnMsMax" | "waitingTurnMsMax">

/** What one address has used of the processor in the present turn of the event loop. */
export class AddressTime {
  turn = -1
  usedMs = 0
  /** Connections of the address that wait for their turn. */
  readonly waiting: Array<() => void> = []
}

/**
 * Shares the processor between addresses, and the connections of each. Whose input is looked at pays for all that happens
 * until somebody else's is: what follows from it in the same turn of the event loop is done by then. Who has used up its
 * share goes on in the next turn, one connection of each address after the other.
 */
export class TurnShares {
  readonly #limits: Limits
  readonly #waiting = new Set<AddressTime>()
  #turn = 0
  #isTicking = false
  #payer: AddressTime | undefined
  /** Whether it is its turn, after it has waited. */
  #isGranted = false
  #since = 0
  /** When those that wait began to go on in this turn. */
  #beganAt = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** From now on this address pays. False when it has no time left in this turn. */
  enter(address: AddressTime): boolean {
    if (this.#isGranted && address === this.#payer) return true
    const now = performance.now()
    this.#bill(now)
    this.#payer = address
    this.#tickLater()
    if (address.turn !== this.#turn) {
      address.turn = this.#turn
      address.usedMs = 0
    }
    return address.usedMs < this.#limits.addressTurnMsMax && address.waiting.length === 0
  }

  /** Whether the connection that entered last has time for more. */
  hasTime(): boolean {
    return performance.now() - this.#since < this.#limits.connectionTurnMsMax
  }

  /** Each goes on by itself, so that what promises do for one is done before the next. */
  later(address: AddressTime, run: () => void): void {
    address.waiting.push(run)
    this.#waiting.add(address)
    this.#tickLater()
    setImmediate(() => this.#goOn())
  }

  #bill(now: number): void {
    if (this.#payer !== undefined) this.#payer.usedMs += now - this.#since
    this.#since = now
  }

  #tickLater(): void {
    if (this.#isTicking) return
    this.#isTicking = true
    setImmediate(() => this.#tick())
  }

  #tick(): void {
    this.#isTicking = false
    this.#beganAt = performance.now()
    this.#bill(this.#beganAt)
    this.#payer = undefined
    this.#turn += 1
  }

  /** Lets one of those that wait go on, of the address whose turn it is. */
  #goOn(): void {
    if (performance.now() - this.#beganAt >= this.#limits.waitingTurnMsMax) {
      this.#tickLater()
      setImmediate(() => this.#goOn())
      return
    }
    const address = this.#waiting.values().next().value!
    const run = address.waiting.shift()!
    // Behind the others.
    this.#waiting.delete(address)
    if (address.waiting.length > 0) this.#waiting.add(address)
    this.enter(address)
    this.#isGranted = true
    try {
      run()
    } finally {
      this.#isGranted = false
    }
  }
}
