import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { checked, type Outcome } from "./outcome.ts"
import { root, run } from "./run.ts"

/** Generates the proto code anew, elsewhere, and compares it with what is committed. */
export const generatedIsCurrent = async (): Promise<Outcome> => {
  const folder = mkdtempSync(join(tmpdir(), "stategate-generated-"))
  try {
    if ((await run("buf", ["generate", "-o", folder])) !== 0) return checked(false)
    const differing = differences(contents(join(root, "proto", "gen")), contents(join(folder, "proto", "gen")))
    for (const name of differing) {
      process.stderr.write(`proto/gen/${name} is not what the .proto files give: run npm run generate and commit\n`)
    }
    return checked(differing.length === 0)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const contents = (folder: string): Map<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, "utf8")])
  )

const differences = (a: Map<string, string>, b: Map<string, string>): ReadonlyArray<string> =>
  [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name)).sort()
