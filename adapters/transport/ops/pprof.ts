import type { Profiler } from "node:inspector"
import { gzipSync } from "node:zlib"
import { Profile, type SampleInput, StringTable, type ValueTypeInput } from "pprof-format"

/** The part of a call frame that V8 tells and pprof shows. */
interface Frame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}

/** Memory that was allocated by one stack and is still held, as V8 tells it. */
export interface HeapNode {
  readonly id: number
  readonly callFrame: Frame
  readonly selfSize: number
  readonly children: ReadonlyArray<HeapNode>
}

export interface HeapSamples {
  readonly head: HeapNode
  readonly samples: ReadonlyArray<{ readonly nodeId: number }>
}

/** Places in the code under numbers of their own, as the format wants them. */
class Places {
  readonly strings = new StringTable()
  readonly #places = new Map<string, { readonly id: number; readonly frame: Frame }>()

  idOf(frame: Frame): number {
    const text = JSON.stringify([frame.functionName, frame.url, frame.lineNumber])
    const known = this.#places.get(text)
    if (known !== undefined) return known.id
    const id = this.#places.size + 1
    this.#places.set(text, { id, frame })
    return id
  }

  valueType(type: string, unit: string): ValueTypeInput {
    return { type: this.strings.dedup(type), unit: this.strings.dedup(unit) }
  }

  tables() {
    const places = [...this.#places.values()]
    return {
      // One function for each place: V8 tells where a function begins, not the line that ran.
      location: places.map(({ id, frame }) => ({ id, line: [{ functionId: id, line: frame.lineNumber + 1 }] })),
      function: places.map(({ id, frame }) => {
        const name = this.strings.dedup(frame.functionName || anonymous(frame))
        const filename = this.strings.dedup(frame.url)
        return { id, name, systemName: name, filename, startLine: frame.lineNumber + 1 }
      })
    }
  }
}

/** pprof adds up what has one name, and there are many without any. */
const anonymous = ({ url, lineNumber }: Frame): string =>
  `(anonymous ${url.slice(url.lastIndexOf("/") + 1)}:${lineNumber + 1})`

/** No code of ours ran: not what a profile of the processor is about. */
const idle = new Set(["(root)", "(idle)"])

/** What V8's processor profiler found, for `go tool pprof`. */
export const cpuProfile = (profile: Profiler.Profile, intervalMicros: number): Uint8Array => {
  const places = new Places()
  const parents = new Map<number, number>()
  for (const { id, children } of profile.nodes) for (const child of children ?? []) parents.set(child, id)
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const found = new Map<number, { samples: number; micros: number }>()
  for (const [i, id] of (profile.samples ?? []).entries()) {
    const sum = found.get(id) ?? { samples: 0, micros: 0 }
    found.set(id, sum)
    sum.samples += 1
    // Each distance leads to its sample from the one before; clocks may step back.
    sum.micros += Math.max(0, profile.timeDeltas?.[i] ?? intervalMicros)
  }
  const sample: Array<SampleInput> = []
  for (const [id, { samples, micros }] of found) {
    const locationId: Array<number> = []
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const frame = nodes.get(at)!.callFrame
      if (!idle.has(frame.functionName)) locationId.push(places.idOf(frame))
    }
    if (locationId.length > 0) sample.push({ locationId, value: [samples, Math.round(micros * 1000)] })
  }
  const cpu = places.valueType("cpu", "nanoseconds")
  return encoded(places, {
    sampleType: [places.valueType("samples", "count"), cpu],
    sample,
    periodType: cpu,
    period: intervalMicros * 1000,
    durationNanos: Math.round((profile.endTime - profile.startTime) * 1000)
  })
}

/** What V8's heap profiler has sampled and is still there, for `go tool pprof`. */
export const heapProfile = (profile: HeapSamples, intervalBytes: number): Uint8Array => {
  const places = new Places()
  const sample: Array<SampleInput> = []
  const counts = new Map<number, number>()
  for (const { nodeId } of profile.samples) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1)
  // A list of what is to be done, not recursion: stacks may be deep.
  const open = [{ node: profile.head, above: [] as ReadonlyArray<number> }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, above } = next
    const here = idle.has(node.callFrame.functionName) ? above : [places.idOf(node.callFrame), ...above]
    if (node.selfSize > 0 && here.length > 0) {
      sample.push({ locationId: [...here], value: [counts.get(node.id) ?? 0, node.selfSize] })
    }
    for (const child of node.children) open.push({ node: child, above: here })
  }
  const space = places.valueType("inuse_space", "bytes")
  return encoded(places, {
    sampleType: [places.valueType("samples", "count"), space],
    sample,
    periodType: places.valueType("space", "bytes"),
    period: intervalBytes,
    defaultSampleType: space.type!
  })
}

const encoded = (places: Places, parts: ConstructorParameters<typeof Profile>[0]): Uint8Array => {
  const profile = new Profile({
    ...parts,
    ...places.tables(),
    stringTable: places.strings,
    timeNanos: BigInt(Date.now()) * 1_000_000n
  })
  return gzipSync(profile.encode())
}
