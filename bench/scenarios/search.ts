import { gateway, inFolder, load } from "../processes.ts"
import { median, type Report } from "../table.ts"

const rows = 20_000

const searches = [
  { what: "entities, a filter that no index serves", path: "entity/search", query: '{"none": 1}' },
  { what: "entities, the same, sorted", path: "entity/search", query: "", sort: "entity.version" },
  { what: "events of one key, by the index of versions", path: "events/search", query: '{"entity.key": "k10000"}' },
  {
    what: "events of one key, by a filter that no index serves",
    path: "events/search",
    query: '{"$or": [{"entity.key": "k10000"}, {"id": "none"}]}'
  }
]

/** Searches among 20,000 entities and their events in SQLite, in turns. */
export const search = (program: string, runs: number): Promise<Report> =>
  inFolder(async (folder) => {
    const server = await gateway({ name: "sqlite", path: `${folder}/stategate.db` })
    await load(program, server, "stategate-set", "-fill", String(rows), "-c", "256")
    const measured = searches.map(() => [] as Array<number>)
    for (let run = 0; run < Math.max(runs, 3) * 3; run++) {
      for (const [i, { path, query, sort }] of searches.entries()) {
        const asked = new URLSearchParams({ domain: "bench", type: "user", limit: "10", query_string: query })
        if (sort !== undefined) asked.set("sort.field", sort)
        const began = performance.now()
        const response = await fetch(`${server.url}/api/${path}?${asked}`)
        if (!response.ok) throw new Error(await response.text())
        await response.arrayBuffer()
        measured[i]!.push(performance.now() - began)
      }
    }
    await server.stop()
    const ms = measured.map(median)
    return {
      title: `Searches among ${rows.toLocaleString("en-US")} rows, sqlite`,
      rows: searches.map(({ what }, i) => ({ what, value: ms[i]!, unit: "ms" })),
      ratios: [{ what: "events of one key: without the index / with it", value: ms[3]! / ms[2]!, aim: { min: 5 } }]
    }
  })
