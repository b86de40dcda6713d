import type { Holder, MemoryBudget } from "./memory-budget.ts"

/** Why a request is refused before it starts. A small set, since it labels a metric. */
export type Refusal = "requests" | "address_requests" | "memory" | "address_memory"

/**
 * Admission control for one connection: request slots, memory and processor time. The listener that accepted the
 * connection implements it, with the same rule for all protocols.
 */
export interface ConnectionAdmission {
  /** Takes a slot for a request, and charges `bytes` for as long as it is held; or returns why there is none. */
  readonly begin: (bytes: number) => Refusal | undefined
  /** Returns the slot, once the request's handler is done. */
  readonly end: (bytes: number) => void
  /** Charges memory held for the peer; a negative number releases it. */
  readonly charge: (bytes: number) => void
  /** Bytes held for all peers at this peer's address. */
  readonly addressBytes: number
  /** Input arrived: starts to count processor time for this peer. False when others come first; then call `later`. */
  readonly enter: () => boolean
  /** Whether the peer has processor time left in this turn of the event loop. */
  readonly hasTime: () => boolean
  /** Runs when the peer has processor time again. */
  readonly later: (run: () => void) => void
  readonly attach: (holder: Holder) => void
  readonly detach: (holder: Holder) => void
}

/** For use without a listener: every request starts at once, and only memory is bounded. */
export const admitAll = (budget: MemoryBudget): ConnectionAdmission => {
  const connection = { addressBytes: 0 }
  const charge = (bytes: number) => {
    connection.addressBytes += bytes
    if (bytes > 0) budget.charge(bytes)
    else budget.release(-bytes)
  }
  return Object.assign(connection, {
    begin: (bytes: number) => void charge(bytes),
    end: (bytes: number) => charge(-bytes),
    charge,
    enter: () => true,
    hasTime: () => true,
    later: (run: () => void) => void setImmediate(run),
    attach: (holder: Holder) => void budget.holders.add(holder),
    detach: (holder: Holder) => void budget.holders.delete(holder)
  })
}
