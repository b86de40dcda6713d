// What every server does under the hand of a test.

import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, test } from "vitest"
import { isRunning } from "./server.ts"
import { type Kind, type Used, use } from "./service.ts"

/** How a test keeps something in a place, each time with a connection of its own. */
export interface Access<Place> {
  /** Succeeds once the server says that it is kept. */
  readonly keep: (place: Place, n: number) => Promise<unknown>
  readonly kept: (place: Place) => Promise<ReadonlyArray<number>>
}

export const obeys = <Place>(kind: Kind<Place>, { keep, kept }: Access<Place>): Used<Place> => {
  const server = use(kind)

  describe(`${kind.name}, as tests use it,`, server.options, () => {
    test("gives places that know nothing of one another", async () => {
      const [here, there] = [server.fresh(), server.fresh()]
      await keep(here, 1)
      await keep(there, 2)
      assert.deepStrictEqual(await kept(here), [1])
      assert.deepStrictEqual(await kept(there), [2])
    })
  })

  describe(`${kind.name}, as tests break it,`, server.faults, () => {
    test("comes back with all that it kept, after a stop and after a kill", async () => {
      const place = server.fresh()
      await keep(place, 1)
      await server.own().stop()
      assert.isTrue(await isRefused(keep(place, 2)))
      await server.own().restart()
      await keep(place, 3)
      const pids = server.own().pids()
      assert.isNotEmpty(pids)
      await server.own().kill()
      assert.deepStrictEqual(pids.filter(isRunning), [])
      assert.isTrue(await isRefused(keep(place, 4)))
      await server.own().restart()
      assert.deepStrictEqual(await kept(place), [1, 3])
    })

    test("answers nothing while it is paused, and then everything", async () => {
      const place = server.fresh()
      await keep(place, 1)
      server.own().pause()
      let answered = false
      const answer = keep(place, 2).then(() => {
        answered = true
      })
      await sleep(200).finally(server.own().resume)
      assert.isFalse(answered)
      await answer
      assert.deepStrictEqual(await kept(place), [1, 2])
    })
  })
  return server
}

const isRefused = (work: Promise<unknown>) =>
  work.then(
    () => false,
    () => true
  )
