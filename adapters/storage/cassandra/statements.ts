/** How keys are compared with what is bound, from below and from above; there are few of these. */
export type Bounds = ReadonlyArray<">" | ">=" | "<" | "<=">

const bounded = (bounds: Bounds): string => bounds.map((sign) => ` and key ${sign} ?`).join("")

/** The statements for the tables of a keyspace. Values are always bound. */
export const statements = (keyspace: string) => {
  const table = (name: string) => `"${keyspace}".${name}`
  const [records, domains, types] = [table("claims"), table("domains"), table("types")]
  const [entities, events, lists] = [table("entities"), table("events"), table("lists")]
  const inShard = "domain = ? and type = ? and shard = ?"
  const inBucket = "domain = ? and bucket = ?"
  const entity = "domain, type, key, version, deleted, values_json"
  const head = "domain, incarnation, position, time, event_id"
  const keys = `select key, bytes from ${entities} where ${inShard}`
  const listed = `select position, bytes from ${lists} where domain = ? and list = ?`
  return {
    insertRecord: `insert into ${records} (domain, bucket, position, id, format, text) values (?, ?, ?, ?, ?, ?) if not exists`,
    record: `select domain, position, id, format, text from ${records} where ${inBucket} and position = ?`,

    appliedHead: `select ${head} from ${domains} where part = ? and domain = ?`,
    headsFrom: `select ${head} from ${domains} where part = ? and domain >= ?`,
    headsMovedSince: `select ${head} from ${domains} where moved > ?`,
    advanceApplied: `insert into ${domains} (part, domain, incarnation, position, time, event_id, moved)
      values (?, ?, ?, ?, ?, ?, toTimestamp(now())) using timestamp ?`,
    /** Answered by a majority like everything else: one server alone is not enough. */
    now: `select toUnixTimestamp(now()) as now from ${table("format")} where name = 'rows'`,

    mended: `select writetime(mended) as mended from ${domains} where part = ? and domain = ?`,
    mend: `insert into ${domains} (part, domain, mended) values (?, ?, true) using timestamp ?`,

    type: `select wide from ${types} where domain = ? and type = ?`,
    typesFrom: `select type from ${types} where domain = ? and type >= ?`,
    /** Never `wide = false`: what was, stays. */
    putType: `insert into ${types} (domain, type) values (?, ?)`,
    putWideType: `insert into ${types} (domain, type, wide) values (?, ?, true)`,

    entities: `select ${entity} from ${entities} where ${inShard} and key in ?`,
    entitiesAfter: `select ${entity} from ${entities} where ${inShard} and key > ?`,
    keys: (bounds: Bounds) => `${keys}${bounded(bounds)} and deleted = false allow filtering`,
    keysDown: (bounds: Bounds) => `${keys}${bounded(bounds)} and deleted = false order by key desc allow filtering`,
    keysWith: (bounds: Bounds, terms: number) =>
      `${keys}${bounded(bounds)}${" and terms contains ?".repeat(terms)} allow filtering`,
    putEntity: `insert into ${entities} (domain, type, shard, key, version, deleted, values_json, bytes, terms)
      values (?, ?, ?, ?, ?, ?, ?, ?, ?) using timestamp ?`,
    dropEntity: `delete from ${entities} using timestamp ? where ${inShard} and key = ?`,

    events: `select position, text from ${events} where ${inBucket} and position in ?`,
    eventsUpTo: `select position, text from ${events} where ${inBucket} and position > ? and position <= ?`,
    textsWith: `select domain, text from ${events} where terms contains ?`,
    positionsWith: `select domain, position, bytes from ${events} where terms contains ?`,
    sizes: `select position, bytes from ${events} where ${inBucket} and position > ? and position <= ? limit ?`,
    time: `select time from ${events} where ${inBucket} and position = ?`,
    putEvent: `insert into ${events} (domain, bucket, position, time, text, bytes, terms)
      values (?, ?, ?, ?, ?, ?, ?) using timestamp ?`,

    listed: `${listed} and position >= ? and position <= ?`,
    listedDown: `${listed} and position >= ? and position <= ? order by position desc`,
    putListed: `insert into ${lists} (domain, list, position, bytes) values (?, ?, ?, ?) using timestamp ?`
  } as const
}

export type Statements = ReturnType<typeof statements>
