import type { Socket } from "node:net"
import { type ConnectionAdmission, type Holder, MemoryBudget, type Refusal } from "@stategate/http2"
import type { ListenerLimits } from "../../../application/limits.ts"
import type { RefusedReason } from "../../../application/telemetry.ts"
import { AddressTime, TurnShares } from "./turn-shares.ts"

/** What one address has of what there is for all. */
class Address {
  connections = 0
  requests = 0
  bytes = 0
  readonly time = new AddressTime()
}

/**
 * An address gets this many times what is free: alone nine tenths of everything, and the less the more others there are,
 * so that there is always something left for one that has nothing yet. A load balancer with everybody behind it hardly
 * notices. (Choudhury and Hahne, Dynamic queue length thresholds for shared-memory packet switches, 1998.)
 */
const timesFree = 9

/**
 * The one rule by which connections are taken and requests begun, whatever their protocol: bounds for all of them
 * together, and a share of each for every address.
 */
export class Admission {
  readonly budget: MemoryBudget
  readonly #limits: ListenerLimits
  readonly #onRefused: (reason: RefusedReason) => void
  readonly #addresses = new Map<string, Address>()
  readonly #turns: TurnShares
  #connections = 0
  #requests = 0

  constructor(limits: ListenerLimits, onRefused: (reason: RefusedReason) => void) {
    this.#limits = limits
    this.#onRefused = onRefused
    this.budget = new MemoryBudget(limits.sessionsHeldBytesMax)
    this.#turns = new TurnShares(limits)
  }

  /** Counts a connection until what is returned is called, once it has closed; undefined when its address has too many. */
  connect(socket: Socket): (() => void) | undefined {
    const name = addressOf(socket)
    const address = this.#addresses.get(name) ?? new Address()
    if (address.connections >= timesFree * (this.#limits.connectionsMax - this.#connections)) {
      this.#onRefused("address_connections")
      return undefined
    }
    this.#addresses.set(name, address)
    this.#connections += 1
    address.connections += 1
    return () => {
      this.#connections -= 1
      address.connections -= 1
      if (address.connections === 0) this.#forgetLater(name, address)
    }
  }

  /** What a connection that was taken asks. */
  of(socket: Socket): ConnectionAdmission {
    const address = this.#addresses.get(addressOf(socket)) ?? new Address()
    const { budget } = this
    const turns = this.#turns
    return {
      begin: (bytes) => this.#begin(address, bytes),
      end: (bytes) => {
        this.#requests -= 1
        address.requests -= 1
        address.bytes -= bytes
        budget.release(bytes)
      },
      charge: (bytes) => {
        address.bytes += bytes
        if (bytes > 0) budget.charge(bytes)
        else budget.release(-bytes)
      },
      get addressBytes() {
        return address.bytes
      },
      enter: () => turns.enter(address.time),
      hasTime: () => turns.hasTime(),
      later: (run) => turns.later(address.time, run),
      attach: (holder: Holder) => void budget.holders.add(holder),
      detach: (holder: Holder) => void budget.holders.delete(holder)
    }
  }

  #begin(address: Address, bytes: number): Refusal | undefined {
    const { budget } = this
    const { requestsMax } = this.#limits
    const freeBytes = budget.bytesMax - budget.heldBytes
    const reason =
      this.#requests >= requestsMax
        ? "requests"
        : freeBytes < bytes
          ? "memory"
          : address.requests >= timesFree * (requestsMax - this.#requests)
            ? "address_requests"
            : address.bytes >= timesFree * freeBytes
              ? "address_memory"
              : undefined
    if (reason !== undefined) {
      this.#onRefused(reason)
      return reason
    }
    this.#requests += 1
    address.requests += 1
    address.bytes += bytes
    budget.charge(bytes)
    return undefined
  }

  /** What works on for its last connection still counts. */
  #forgetLater(name: string, address: Address): void {
    const isOver = () => address.connections === 0 && address.requests === 0
    const look = () => {
      if (address.connections > 0 || this.#addresses.get(name) !== address) return
      if (isOver()) this.#addresses.delete(name)
      else setTimeout(look, this.#limits.lateCheckMs).unref()
    }
    look()
  }
}

/** A client with one IPv6 address usually has its whole /64 network, so that network counts as one address. */
const addressOf = ({ remoteAddress = "" }: Socket): string => {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remoteAddress)
  if (mapped !== null) return mapped[1]!
  return remoteAddress.includes(":") ? networkOf(remoteAddress) : remoteAddress
}

const networkOf = (address: string): string => {
  const [head = "", tail] = address.split("%", 1)[0]!.split("::", 2)
  const front = head === "" ? [] : head.split(":")
  const back = tail === undefined || tail === "" ? [] : tail.split(":")
  const zeros = Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => "0")
  return [...front, ...zeros, ...back].slice(0, 4).join(":")
}
