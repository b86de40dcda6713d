import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { backup, DatabaseSync } from "node:sqlite"
import { sqliteBusyMs } from "../../../application/limits.ts"
import { uriOf } from "./file.ts"
import { checkHeads, isOurs } from "./schema.ts"

/** What a copy holds. */
export interface Copied {
  readonly domains: bigint
  readonly events: bigint
}

/** More pages than a file can have: all in one step, so that the copy is of one moment, and no change begins it anew. */
const allPages = 2 ** 31 - 1

/**
 * Copies a file, which a gateway may serve meanwhile, as it is at one moment, by SQLite's online backup. The copy has been
 * looked through, and is on the disk under its name when this returns, or not at all. Throws, in words for the operator.
 */
export const copyFile = async (path: string, to: string): Promise<Copied> => {
  if (!existsSync(path)) throw new Error(`${path}: there is no such file`)
  if (existsSync(to)) throw new Error(`${to}: is there already`)
  const partial = `${resolve(to)}.partial`
  const source = new DatabaseSync(uriOf(path, "mode=ro"), { timeout: sqliteBusyMs })
  try {
    if (!isOurs(source, path)) throw new Error(`${path}: holds nothing of stategate`)
    rmSync(partial, { force: true })
    await backup(source, partial, { rate: allPages })
    const copied = looked(partial)
    sync(partial)
    renameSync(partial, to)
    sync(dirname(resolve(to)))
    return copied
  } finally {
    source.close()
    rmSync(partial, { force: true })
  }
}

const looked = (path: string): Copied => {
  // Without a log of its own: none lies beside a copy.
  const db = new DatabaseSync(uriOf(path, "immutable=1"))
  try {
    const [problem] = Object.values(db.prepare("PRAGMA quick_check(1)").get() ?? {})
    if (problem !== "ok") throw new Error(`the copy is damaged, and so is the file: ${problem}`)
    checkHeads(db, path)
    const sums = db.prepare("SELECT count(*) AS domains, coalesce(sum(position), 0) AS events FROM domains")
    sums.setReadBigInts(true)
    return sums.get() as unknown as Copied
  } finally {
    db.close()
  }
}

const sync = (path: string): void => {
  const fd = openSync(path, "r")
  fsyncSync(fd)
  closeSync(fd)
}
