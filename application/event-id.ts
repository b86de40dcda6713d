/**
 * A new id for an event: in the form of a UUID of version 4, as the wire contract has it, whose first 48 bits are the
 * time in milliseconds (a COMB), so that an index of ids grows at its end. The other 74 bits are chance.
 */
export const newEventId = (nanos: bigint): string => {
  const millis = (nanos / 1_000_000n).toString(16).padStart(12, "0")
  return `${millis.slice(0, 8)}-${millis.slice(8)}-${crypto.randomUUID().slice(14)}`
}
