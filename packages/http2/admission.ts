import type { Holder, MemoryBudget } from "./memory-budget.ts"

/** Why a request is not begun: a small set, since it labels a metric. */
export type Refusal = "requests" | "address_requests" | "memory" | "address_memory"

/**
 * What a connection asks before it works for its peer, and what it says about the memory that it holds for it. The
 * listener that accepted the connection answers, by one rule for all protocols.
 */
export interface ConnectionAdmission {
  /** Takes a slot for a request, with bytes that are held as long as it lasts; or says why there is none. */
  readonly begin: (bytes: number) => Refusal | undefined
  /** Gives the slot back, once nothing works on the request any more. */
  readonly end: (bytes: number) => void
  /** As many bytes more are held for the peer, or fewer where negative. */
  readonly charge: (bytes: number) => void
  /** Bytes that are held for everybody at the peer's address. */
  readonly addressBytes: number
  /** Input has come: what is done from now on is done for this peer. False when others come first: see `later`. */
  readonly enter: () => boolean
  /** Whether the peer may keep the processor to itself for some more work. */
  readonly hasTime: () => boolean
  /** Goes on when it is the peer's turn. */
  readonly later: (run: () => void) => void
  readonly attach: (holder: Holder) => void
  readonly detach: (holder: Holder) => void
}

/** For a connection of nobody's listener: everything is begun at once, and what is held is bounded for all of them. */
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
