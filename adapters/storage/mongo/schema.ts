import { type Collection, type Db, type Document, type IndexDescription, MongoServerError } from "mongodb"
import type { DomainRow, EntityRow, EventRow, RecordRow } from "./rows.ts"

/** The format of the rows, and the only one that this version knows. */
const rowsFormat = 1

export interface Collections {
  readonly claims: Collection<RecordRow>
  readonly domains: Collection<DomainRow>
  readonly entities: Collection<EntityRow>
  readonly events: Collection<EventRow>
}

/** Commit records rely on the index of `_id` alone, which is there from the first insert on. */
const indexes: Readonly<Record<keyof Collections, ReadonlyArray<IndexDescription>>> = {
  claims: [],
  domains: [{ name: "moved", key: { moved: 1 } }],
  entities: [
    { name: "key", key: { domain: 1, type: 1, deleted: 1, key: 1 } },
    { name: "terms", key: { domain: 1, type: 1, terms: 1, key: 1 } }
  ],
  events: [
    // Within a domain, times are in the order of positions.
    { name: "time", key: { domain: 1, type: 1, time: 1 } },
    { name: "version", key: { domain: 1, type: 1, key: 1, version: 1 } },
    { name: "id", key: { domain: 1, id: 1 } },
    { name: "call", key: { call: 1 }, sparse: true }
  ]
}

/** Whether stategate has ever kept anything in a database. */
export const isOurs = async (db: Db): Promise<boolean> =>
  (await db.listCollections({ name: named("format") }).toArray()).length > 0

/**
 * Makes what is not there, several gateways at once if need be, and answers the collections. Fails, with words for the
 * operator, where rows would not be kept apart or not be found.
 */
export const prepare = async (db: Db, sharded: boolean): Promise<Collections> => {
  const names = Object.keys(indexes) as Array<keyof Collections>
  for (const name of [...names, "format"]) await unless(namespaceExists, db.createCollection(named(name)))
  await checkFormat(db)
  for (const name of names) await checkOptions(db, named(name))
  for (const name of names) await checkShards(db, named(name), sharded)
  // One at a time: FerretDB does not take several of which it has some.
  for (const name of names) for (const index of indexes[name]) await db.collection(named(name)).createIndexes([index])
  return {
    claims: db.collection(named("claims")),
    domains: db.collection(named("domains")),
    entities: db.collection(named("entities")),
    events: db.collection(named("events"))
  }
}

/** A name that nobody else's collection has in a database that is shared. */
const named = (name: string): string => `stategate.${name}`

const namespaceExists = 48
const duplicate = 11000
const unauthorized = 13

const unless = async (code: number, work: Promise<unknown>): Promise<void> => {
  try {
    await work
  } catch (error) {
    if (!(error instanceof MongoServerError && error.code === code)) throw error
  }
}

const checkFormat = async (db: Db): Promise<void> => {
  const formats = db.collection<{ readonly _id: string; readonly format: number }>(named("format"))
  await unless(duplicate, formats.insertOne({ _id: "rows", format: rowsFormat }))
  const found = await formats.findOne({ _id: "rows" })
  if (found?.format === rowsFormat) return
  throw new Error(`was written by a newer version (its format is ${found?.format}, ours ${rowsFormat})`)
}

const checkOptions = async (db: Db, name: string): Promise<void> => {
  const [info] = await db.listCollections({ name }).toArray()
  const problem = collectionProblem(info ?? {})
  if (problem !== undefined) throw new Error(`${name} ${problem}`)
}

/** What is wrong with a collection that somebody else made: names are kept apart by their bytes, and rows for ever. */
export const collectionProblem = ({ type, options }: { type?: string; options?: Document }): string | undefined => {
  const { collation, capped, expireAfterSeconds } = options ?? {}
  if (type !== "collection" || capped === true || expireAfterSeconds !== undefined) return "must be a plain collection"
  if (collation !== undefined && collation.locale !== "simple") {
    return "has a collation, under which two names may be one; it must have none"
  }
  return undefined
}

/** How a cluster says that it keeps a collection. */
interface Sharding {
  readonly _id: string
  readonly key?: Document
  /** In one piece, whatever the key. */
  readonly unsplittable?: boolean
}

/** An `_id` is the only one in its shard, not in all of them: so a domain has to lie in one. */
const checkShards = async (db: Db, name: string, sharded: boolean): Promise<void> => {
  const all = db.client.db("config").collection<Sharding>("collections")
  let found: Sharding | null = null
  try {
    found = await all.findOne({ _id: `${db.databaseName}.${name}` })
  } catch (error) {
    // Without shards there is nothing to see, nor a need to be allowed to.
    const mayNot = error instanceof MongoServerError && error.code === unauthorized
    if (!mayNot || sharded) throw new Error(`cannot see how ${name} is sharded: ${error}`, { cause: error })
  }
  const fields = Object.keys(found?.key ?? {})
  if (fields.length === 0 || fields.join() === "domain" || found?.unsplittable === true) return
  throw new Error(`${name} is sharded by ${fields.join(", ")}; its shard key must be domain alone`)
}
