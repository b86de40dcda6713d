import { randomUUID } from "node:crypto"
import { DatabaseSync } from "node:sqlite"
import { gateway, inFolder, load } from "../processes.ts"
import { median, type Report } from "../table.ts"

const values = JSON.stringify({ message: "hello world", n: 1, nested: { x: "z".repeat(100) } })

/** What the same work costs when it is written by hand: two tables, 100 events a transaction, fsync at each COMMIT. */
const byHand = (path: string, seconds: number): number => {
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA locking_mode = EXCLUSIVE;
    CREATE TABLE event (id TEXT PRIMARY KEY, position INTEGER, key TEXT, "values" TEXT);
    CREATE TABLE entity (key TEXT PRIMARY KEY, version INTEGER, "values" TEXT)`)
  const event = db.prepare("INSERT INTO event VALUES (?, ?, ?, ?)")
  const entity = db.prepare(
    'INSERT INTO entity VALUES (?, 1, ?) ON CONFLICT (key) DO UPDATE SET version = version + 1, "values" = excluded."values"'
  )
  let position = 0
  const began = performance.now()
  while (performance.now() - began < seconds * 1000) {
    const batch = Math.floor(Math.random() * 1000)
    db.exec("BEGIN IMMEDIATE")
    for (let i = 0; i < 100; i++) {
      const key = `k${batch}-${i}`
      event.run(randomUUID(), ++position, key, values)
      entity.run(key, values)
    }
    db.exec("COMMIT")
  }
  const perSecond = position / ((performance.now() - began) / 1000)
  db.close()
  return perSecond
}

export const applies = (program: string, runs: number): Promise<Report> =>
  inFolder(async (folder) => {
    const ours: Array<number> = []
    const hand: Array<number> = []
    for (let run = 0; run < runs; run++) {
      const server = await gateway({ name: "sqlite", path: `${folder}/apply-${run}.db` })
      const { perSecond } = await load(program, server, "stategate-apply", "-c", "8")
      await server.stop()
      ours.push(perSecond * 100)
      hand.push(byHand(`${folder}/hand-${run}.db`, 4))
    }
    const value = median(ours) / median(hand)
    return {
      title: "Batches: Apply of 100, durable",
      rows: [
        { what: "Apply of 100 over gRPC, 8 callers", value: median(ours), unit: "events/s" },
        { what: "node:sqlite by hand, 100 a transaction, in one process", value: median(hand), unit: "events/s" }
      ],
      ratios: [{ what: "Apply / by hand", value, aim: { min: 0.5 } }]
    }
  })
