import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { assert, test } from "vitest"
import { folder, opening } from "./sqlite-world.ts"

// Paths that no database can be at. Who starts a gateway is told what is wrong with which, and what to do.

const cases: Readonly<Record<string, readonly [path: (folder: string) => string, words: RegExp]>> = {
  "below a file": [(at) => `${at}/file/stategate.db`, /its folder .*\/file cannot be made: it is a file; give a path/],
  "far below a file": [
    (at) => `${at}/file/x/stategate.db`,
    /\/file\/x cannot be made: (it|a part of it) is a file; give/
  ],
  "where nothing can be made": [() => "/proc/x/stategate.db", /\/proc\/x cannot be made: (no folder can be|user)/],
  "a folder": [(at) => at, /is a folder; give the path of a file/],
  "in a folder where nothing can be made": [
    () => "/proc/stategate.db",
    /stategate\.db cannot be opened or made; give a path/
  ]
}

for (const [name, [path, words]] of Object.entries(cases)) {
  test(`${name} is told in words`, async () => {
    const at = folder()
    writeFileSync(`${at}/file`, "")
    mkdirSync(`${at}/folder`)
    const message = await opening(path(at))
    assert.match(message, words)
    assert.isFalse(existsSync(`${at}-lock`), "nothing is left beside it")
    assert.notMatch(message, /stategate\.db: unable to open database file/)
  })
}
