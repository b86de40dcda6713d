import { gunzipSync } from "node:zlib"
import { Profile } from "pprof-format"
import { assert, test } from "vitest"
import { heapProfile } from "../../../adapters/transport/ops/pprof.ts"

test("a profile of the heap tells bytes, and samples as samples: nobody knows how many objects there are", () => {
  const frame = (functionName: string) => ({ functionName, url: "file:///app.ts", lineNumber: 1 })
  const leaf = { id: 2, callFrame: frame("leaf"), selfSize: 4096, children: [] }
  const head = { id: 1, callFrame: frame("(root)"), selfSize: 0, children: [leaf] }
  const samples = [{ nodeId: 2 }, { nodeId: 2 }, { nodeId: 2 }]
  const profile = Profile.decode(gunzipSync(heapProfile({ head, samples }, 512)))
  const text = (index: unknown) => profile.stringTable.strings[Number(index)]
  const types = profile.sampleType.map(({ type, unit }) => `${text(type)} in ${text(unit)}`)
  assert.deepStrictEqual(types, ["samples in count", "inuse_space in bytes"])
  assert.deepStrictEqual(
    profile.sample.map(({ value }) => value.map(Number)),
    [[3, 4096]]
  )
})
