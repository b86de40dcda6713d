import postgres from "postgres"
import { afterAll, beforeAll } from "vitest"
import type { PostgresPlace } from "./postgres.ts"
import type { Used } from "./service.ts"

/**
 * A database on the server that orders text as a dictionary does, from the first test of a file to its last: those who
 * mean the order of bytes have to say so there.
 */
export const useDictionary = ({ options, addr }: Used<PostgresPlace>): { readonly addr: () => string } => {
  const name = `t${crypto.randomUUID().replaceAll("-", "")}`
  const run = async (statement: string) => {
    const sql = postgres(addr(), { max: 1, onnotice: () => {} })
    try {
      await sql.unsafe(statement)
    } finally {
      await sql.end({ timeout: 1 })
    }
  }
  if (!options.skip) {
    beforeAll(() => run(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING UTF8 LOCALE_PROVIDER icu ICU_LOCALE en`))
    afterAll(() => run(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))
  }
  return {
    addr: () => {
      const url = new URL(addr())
      url.pathname = name
      return url.href
    }
  }
}
