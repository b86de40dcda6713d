import type { AsOf, Request } from "../../../application/entities.ts"
import type { StreamRequest } from "../../../application/feed/start.ts"
import { applyCommandsMax, pageItemsMax, pageOffsetMax } from "../../../application/limits.ts"
import type { EventSearch, Search } from "../../../application/ports/EventStore.ts"
import { parsePageToken, searchNumber } from "../../../application/storage/page-token.ts"
import type { Precondition } from "../../../domain/command.ts"
import { decodeCursor } from "../../../domain/cursor.ts"
import type { Ref } from "../../../domain/entity.ts"
import { type Order, parseQuery, parseSort, type Query, type Subject } from "../../../domain/query.ts"
import type * as pb from "../../../proto/gen/stategate/stategate_pb.js"
import { type Checks, type Header, preconditionOf } from "./checks.ts"
import { valuesOf } from "./messages.ts"
import type { PagedSearch } from "./paging.ts"

/** Messages as the use cases want them. What is wrong goes to `checks`; what is returned counts only if nothing is. */

type Write = (checks: Checks, precondition: Precondition) => Request

const setOrEdit =
  (_tag: "Set" | "Edit", message: pb.Entity): Write =>
  (checks, precondition) => ({
    ref: checks.ref(message),
    change: { _tag, values: checks.values("values", valuesOf(message.values)) },
    precondition
  })

const revertTo =
  (message: pb.EventRef): Write =>
  (checks, precondition) => ({
    ref: checks.ref(message),
    change: { _tag: "RevertTo", eventId: checks.eventId("id", message.id) },
    precondition
  })

const del =
  (message: pb.EntityRef): Write =>
  (checks, precondition) => {
    checks.absent("time", message.time !== 0n, "must not be set: nothing can be deleted in the past")
    return { ref: checks.ref(message), change: { _tag: "Del" }, precondition }
  }

const single =
  <M extends { readonly version: bigint }>(write: (message: M) => Write) =>
  (checks: Checks, message: M, header: Header): Request =>
    write(message)(checks, preconditionOf(checks, message.version, header))

export const setRequest = single((message: pb.Entity) => setOrEdit("Set", message))
export const editRequest = single((message: pb.Entity) => setOrEdit("Edit", message))
export const revertRequest = single(revertTo)
export const delRequest = single(del)

/** An Apply: its domain, and the commands with that domain filled in. */
export interface ApplyRequest {
  readonly domain: string
  readonly requests: ReadonlyArray<Request>
}

export const applyRequest = (checks: Checks, message: pb.ApplyRequest, header: Header): ApplyRequest => {
  checks.name("domain", message.domain)
  for (const name of ["if-match", "if-none-match"]) {
    checks.absent(name, header(name) !== undefined, "must not be set: each command has its own version")
  }
  const count = message.commands.length
  checks.range("commands", count, 1, applyCommandsMax)
  if (count > applyCommandsMax) return { domain: message.domain, requests: [] }
  const requests = message.commands.map((command, i) => {
    const part = checks.part(`commands[${i}]`)
    return commandRequest(part, message.domain, command)
  })
  return { domain: message.domain, requests: requests.filter((request) => request !== undefined) }
}

const commandRequest = (checks: Checks, domain: string, command: pb.Command): Request | undefined => {
  const { case: name, value } = command.do
  if (name === undefined) {
    checks.add("do", "must be one of set, edit, revert, del")
    return undefined
  }
  const inner = checks.part(name)
  inner.absent("domain", value.domain !== "" && value.domain !== domain, "must be empty or that of the request")
  const both = command.mustNotExist && value.version !== 0n
  checks.absent("must_not_exist", both, "must not be set together with a version")
  const message = { ...value, domain }
  const precondition: Precondition = command.mustNotExist
    ? { _tag: "Absent" }
    : value.version === 0n
      ? { _tag: "None" }
      : { _tag: "Versions", versions: [value.version] }
  switch (name) {
    case "set":
      return setOrEdit("Set", message as pb.Entity)(inner, precondition)
    case "edit":
      return setOrEdit("Edit", message as pb.Entity)(inner, precondition)
    case "revert":
      return revertTo(message as pb.EventRef)(inner, precondition)
    case "del":
      return del(message as pb.EntityRef)(inner, precondition)
  }
}

export interface GetRequest {
  readonly ref: Ref
  readonly asOf: AsOf
}

export const getRequest = (checks: Checks, message: pb.EntityRef): GetRequest => {
  const { version, time } = message
  checks.absent("time", version !== 0n && time !== 0n, "must not be set together with version")
  checks.notNegative("time", time)
  const asOf: AsOf =
    version !== 0n ? { _tag: "Version", version } : time !== 0n ? { _tag: "Time", time } : { _tag: "Now" }
  return { ref: checks.ref(message), asOf }
}

export interface EventRequest {
  readonly ref: Ref
  readonly id: string
}

export const eventRequest = (checks: Checks, message: pb.EventRef): EventRequest => {
  checks.absent("version", message.version !== 0n, "must not be set: an event has no expected version")
  return { ref: checks.ref(message), id: checks.eventId("id", message.id) }
}

type SearchOpts = pb.SearchEntityOpts | pb.SearchEventOpts

const searchOf = (checks: Checks, message: SearchOpts, subject: Subject): Search => {
  checks.name("domain", message.domain)
  checks.name("type", message.type)
  const query = parseQuery(message.queryString, subject)
  if (!query.ok) checks.add("query_string", query.problem)
  const sort = parseSort(message.sort?.field ?? "", message.sort?.reverse ?? false, subject)
  if (!sort.ok) checks.add("sort.field", sort.problem)
  const goesOn = message.pageToken !== ""
  const limit = checks.range("limit", message.limit, 1, pageItemsMax)
  checks.range("offset", message.offset, 0, pageOffsetMax)
  checks.absent("offset", goesOn && message.offset > 0, "must be 0 together with page_token")
  return {
    domain: message.domain,
    type: message.type,
    query: query.ok ? query.query : (undefined as unknown as Query),
    order: sort.ok ? sort.order : (undefined as unknown as Order),
    limit,
    offset: message.offset,
    partial: message.partial || goesOn
  }
}

/** Which page of a search is asked for; it has to be the same search that its token came with. */
const paged = <Wanted extends Search>(
  checks: Checks,
  message: SearchOpts,
  search: Wanted,
  times: ReadonlyArray<bigint> = []
): PagedSearch<Wanted> => {
  const { domain, type, queryString, sort, pageToken } = message
  const of = [domain, type, queryString, sort?.field ?? "", sort?.reverse ?? false, ...times.map(String)]
  const number = searchNumber(of)
  if (pageToken === "" || search.order === undefined) return { search, number, after: undefined }
  const token = parsePageToken(pageToken, number, search.order)
  if (!token.ok) checks.add("page_token", token.problem)
  return { search, number, after: token.ok ? token.place : undefined }
}

export const searchRequest = (checks: Checks, message: pb.SearchEntityOpts): PagedSearch =>
  paged(checks, message, searchOf(checks, message, "entity"))

export const eventSearchRequest = (checks: Checks, message: pb.SearchEventOpts): PagedSearch<EventSearch> => {
  const search = {
    ...searchOf(checks, message, "event"),
    min: checks.notNegative("min", message.min),
    max: checks.notNegative("max", message.max)
  }
  return paged(checks, message, search, [search.min, search.max])
}

/**
 * `Last-Event-ID` beats the message: a browser that lost its stream asks for the same URL again, and only the header
 * knows how far it had come.
 */
export const streamRequest = (checks: Checks, message: pb.StreamOpts, header: Header): StreamRequest => {
  const selection = { domain: message.domain, type: message.type, key: message.key === "" ? "*" : message.key }
  const globs = {
    domain: checks.glob("domain", selection.domain),
    type: checks.glob("type", selection.type),
    key: checks.glob("key", selection.key)
  }
  const last = header("last-event-id")
  const resumed = last !== undefined && last !== ""
  const after = resumed ? last : message.start.case === "after" ? message.start.value : ""
  if (after !== "") {
    const cursor = decodeCursor(after)
    if (cursor !== undefined) return { selection, globs, start: { _tag: "After", cursor } }
    checks.add(resumed ? "last-event-id" : "after", "is not a cursor of a stream")
  } else if (message.start.case === "beginning" && message.start.value) {
    return { selection, globs, start: { _tag: "Beginning" } }
  } else if (message.start.case === "since" && checks.notNegative("since", message.start.value) > 0n) {
    return { selection, globs, start: { _tag: "Since", time: message.start.value } }
  }
  return { selection, globs, start: { _tag: "Now" } }
}
