import { type Builtin, stringOf, stringsOf, undefinedFor } from "./builtin.ts"

export const text: Readonly<Record<string, Builtin>> = {
  "strings.any_prefix_match": ([texts, prefixes]) =>
    stringsOf(texts).some((one) => stringsOf(prefixes).some((prefix) => one.startsWith(prefix))),
  "strings.any_suffix_match": ([texts, suffixes]) =>
    stringsOf(texts).some((one) => stringsOf(suffixes).some((suffix) => one.endsWith(suffix))),
  "strings.count": ([whole, part]) => {
    const [all, wanted] = [stringOf(whole), stringOf(part)]
    return wanted === "" ? [...all].length + 1 : all.split(wanted).length - 1
  },
  indexof_n: ([whole, part]) => {
    const [all, wanted] = [[...stringOf(whole)], [...stringOf(part)]]
    if (wanted.length === 0) return undefinedFor("empty search")
    const found: Array<number> = []
    for (let at = 0; at + wanted.length <= all.length; at++) {
      if (wanted.every((character, i) => all[at + i] === character)) found.push(at)
    }
    return found
  },
  "hex.encode": ([value]) => Buffer.from(stringOf(value)).toString("hex"),
  "hex.decode": ([value]) => {
    const digits = stringOf(value)
    if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return undefinedFor("not hexadecimal")
    return utf8(Buffer.from(digits, "hex"))
  },
  "base64url.encode_no_pad": ([value]) => Buffer.from(stringOf(value)).toString("base64url"),
  "urlquery.encode": ([value]) =>
    encodeURIComponent(stringOf(value))
      .replace(/%20/g, "+")
      .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`),
  "urlquery.decode": ([value]) => {
    try {
      return decodeURIComponent(stringOf(value).replace(/\+/g, " "))
    } catch {
      return undefinedFor("not percent-encoded")
    }
  },
  "semver.is_valid": ([value]) => typeof value === "string" && semver.test(value),
  "semver.compare": ([first, second]) => compareVersions(stringOf(first), stringOf(second))
}

const utf8 = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** https://semver.org, 2.0.0. */
const semver =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$/

const compareVersions = (first: string, second: string): number => {
  const [a, b] = [semver.exec(first), semver.exec(second)]
  if (a === null || b === null) return undefinedFor("not a version")
  for (const part of [1, 2, 3]) {
    const order = compareNumbers(a[part]!, b[part]!)
    if (order !== 0) return order
  }
  const [before, after] = [a[4]?.split("."), b[4]?.split(".")]
  if (before === undefined || after === undefined) return (before === undefined ? 1 : 0) - (after === undefined ? 1 : 0)
  for (let i = 0; i < Math.max(before.length, after.length); i++) {
    const order = compareIdentifiers(before[i], after[i])
    if (order !== 0) return order
  }
  return 0
}

/** Numbers are below names, and what is missing is below everything. */
const compareIdentifiers = (a: string | undefined, b: string | undefined): number => {
  if (a === undefined || b === undefined) return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1)
  const [isNumber, isOtherNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)]
  if (isNumber && isOtherNumber) return compareNumbers(a, b)
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1
  return a < b ? -1 : a > b ? 1 : 0
}

const compareNumbers = (a: string, b: string): number => {
  const difference = BigInt(a) - BigInt(b)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}
