// Database servers for test files: those of an address that the environment gives, or else those that are installed,
// or else the tests say what they need and are skipped.

import { afterAll, beforeAll } from "vitest"
import { need } from "../support/need.ts"
import { type Control, hookMsMax } from "./server.ts"

/** A server that a test started, and does with what it likes. */
export interface Service<Place> extends Control {
  /** What STATEGATE_STORAGE_PROVIDER takes as addr. */
  readonly addr: string
  /** Settings of a provider for a place that nobody else uses. */
  readonly fresh: () => Place
}

/** A server that others use as well. */
interface Given<Place> extends Pick<Service<Place>, "addr" | "fresh"> {
  /** Takes away the places that were made. */
  readonly drop: () => Promise<void>
}

export interface Kind<Place> {
  readonly name: string
  /** The variable that holds the address of a server to use instead of an own one. */
  readonly variable: string
  readonly isInstalled: () => boolean
  readonly start: () => Promise<Service<Place>>
  readonly given: (addr: string) => Given<Place>
}

export interface Used<Place> extends Pick<Service<Place>, "fresh"> {
  /** For tests that need the server: `describe(name, server.options, …)`. */
  readonly options: ReturnType<typeof need>["options"]
  /** For tests that stop, kill or pause it: these need one that is theirs alone. */
  readonly faults: ReturnType<typeof need>["options"]
  /** The server, in tests declared with `options`. */
  readonly addr: () => string
  /** The server, in tests declared with `faults`. */
  readonly own: () => Service<Place>
}

/** One server for all tests of a file, from its first test to its last. */
export const use = <Place>({ name, variable, isInstalled, start, given }: Kind<Place>): Used<Place> => {
  const addr = process.env[variable] || undefined
  const isOwn = addr === undefined && isInstalled()
  const enable = "npm run services"
  const { options } = need(name, { enable, found: addr !== undefined || isOwn })
  const { options: faults } =
    addr === undefined
      ? { options }
      : need(`a ${name} to stop and kill, and ${variable} gives one that others may use`, {
          enable: `unset ${variable}; ${enable}`,
          found: undefined
        })
  const shared = addr === undefined ? undefined : given(addr)
  let own: Service<Place> | undefined
  beforeAll(async () => {
    if (isOwn) own = await start()
  }, hookMsMax)
  afterAll(async () => {
    await own?.remove()
    await shared?.drop()
  }, hookMsMax)
  const server = () => own ?? shared!
  return { options, faults, addr: () => server().addr, fresh: () => server().fresh(), own: () => own! }
}

/** Places by names that nobody else has, each of which every server takes; and what was named so far. */
export const placesOn = <Place>(place: (name: string) => Place) => {
  const names: Array<string> = []
  const fresh = (): Place => {
    const name = `t${crypto.randomUUID().replaceAll("-", "")}`
    names.push(name)
    return place(name)
  }
  return { fresh, names }
}
