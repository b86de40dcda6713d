import type { Job } from "../../domain/batch.ts"
import type { Change, Command, Precondition } from "../../domain/command.ts"
import type { JsonObject } from "../../domain/json.ts"

const none: Precondition = { _tag: "None" }

export const command = (domain: string, key: string, change: Change, precondition = none): Command => ({
  ref: { domain, type: "t", key },
  change,
  precondition
})

export const setting = (domain: string, key: string, values: JsonObject = {}): Job => ({
  domain,
  commands: [command(domain, key, { _tag: "Set", values })],
  parts: false,
  claims: {}
})

export const deleting = (domain: string, key: string): Job => ({
  domain,
  commands: [command(domain, key, { _tag: "Del" })],
  parts: false,
  claims: {}
})

export const applying = (domain: string, ...keys: ReadonlyArray<string>): Job => ({
  domain,
  commands: keys.map((key) => command(domain, key, { _tag: "Set", values: {} })),
  parts: true,
  claims: {}
})

/** The numbers from 0, as many as asked for. */
export const range = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)
