import { DatabaseSync } from "node:sqlite"

/**
 * Keeps every other process out of a file for as long as it is open. The lock is on a file beside it: a lock on the file
 * itself would keep out the other threads of this process as well. It goes with the process, however that ends.
 */
export const lockedFile = (path: string): DatabaseSync => {
  const lock = new DatabaseSync(`${path}-lock`, { timeout: 0 })
  try {
    lock.exec("BEGIN EXCLUSIVE")
    return lock
  } catch (error) {
    lock.close()
    throw error
  }
}
