// Header blocks by hand (RFC 7541, 6.2.2): literals that are neither compressed nor put into the table.

const integer = (value: number, prefixBits: number): ReadonlyArray<number> => {
  const mask = 2 ** prefixBits - 1
  if (value < mask) return [value]
  const bytes = [mask]
  let rest = value - mask
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}

const text = (chars: string) => Buffer.concat([Buffer.from(integer(chars.length, 7)), Buffer.from(chars, "latin1")])

type Fields = Readonly<Record<string, string>> | ReadonlyArray<readonly [name: string, value: string]>

const pairs = (fields: Fields) =>
  Array.isArray(fields) ? (fields as ReadonlyArray<[string, string]>) : Object.entries(fields)

export const block = (fields: Fields): Buffer =>
  Buffer.concat(pairs(fields).flatMap(([name, value]) => [Buffer.from([0x00]), text(name), text(value)]))

/** The same, with each field put into the table. */
export const indexed = (fields: Fields): Buffer =>
  Buffer.concat(pairs(fields).flatMap(([name, value]) => [Buffer.from([0x40]), text(name), text(value)]))

/** The pseudo-header fields of `GET http://localhost/`. */
export const getFields = { ":method": "GET", ":scheme": "http", ":path": "/", ":authority": "localhost" } as const
export const postFields = { ...getFields, ":method": "POST" } as const
