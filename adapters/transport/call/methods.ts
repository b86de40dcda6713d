import { create, type DescMessage, type DescMethodUnary, type MessageShape, toJson } from "@bufbuild/protobuf"
import { EmptySchema } from "@bufbuild/protobuf/wkt"
import { Effect } from "effect"
import type { Caller, Entities, Request } from "../../../application/entities.ts"
import type { Failure } from "../../../application/failure.ts"
import type { History } from "../../../application/history.ts"
import type { JobResult } from "../../../application/job-queue.ts"
import type { Entity, Ref } from "../../../domain/entity.ts"
import { methods as mutations } from "../../../domain/event.ts"
import type { Json } from "../../../domain/json.ts"
import * as pb from "../../../proto/gen/stategate/stategate_pb.js"
import type { Checks, Header } from "./checks.ts"
import { entityMessage, eventMessage, eventsMessage } from "./messages.ts"
import { type Shows, shownPage } from "./paging.ts"
import * as requests from "./requests.ts"

/** An answer, and the headers or metadata that go with it. */
export interface Reply<O extends DescMessage = DescMessage> {
  readonly message: MessageShape<O>
  readonly headers: Readonly<Record<string, string>>
}

/** The use cases, handed to each call: looking them up in a context would cost every call anew. */
export interface Services {
  readonly entities: Entities["Service"]
  readonly history: History["Service"]
}

/** One question to the policy: the call itself, or a command within an Apply. */
export interface Judged {
  readonly method: string
  readonly body: () => Json
}

/** A unary call: how its message is read, served and answered. The pipeline does all the rest. */
export interface Method<I extends DescMessage = DescMessage, O extends DescMessage = DescMessage> {
  readonly desc: DescMethodUnary<I, O>
  /** Such as `/stategate.EntityService/Set`. */
  readonly path: string
  readonly mutates: boolean
  /** Domain and type, for the log. */
  readonly about: (message: MessageShape<I>) => { readonly domain: string; readonly type?: string }
  /** Reads the message; the effect may be run only if the checks found nothing. */
  readonly prepare: (
    checks: Checks,
    message: MessageShape<I>,
    header: Header
  ) => (caller: Caller, services: Services, shows: Shows) => Effect.Effect<Reply<O>, Failure>
  readonly judged: (message: MessageShape<I>) => ReadonlyArray<Judged>
  /** What a caller is shown whom the policy does not show the reply: the outcome stands. Undefined: the call is denied. */
  readonly withheld: (message: MessageShape<I>) => MessageShape<O> | undefined
  /** Asks the policy about each item of a page by itself, and of the reply there is nothing left to ask. */
  readonly judgesItems: boolean
}

interface Parts<I extends DescMessage, O extends DescMessage, P> {
  readonly parse: (checks: Checks, message: MessageShape<I>, header: Header) => P
  readonly serve: (parsed: P, caller: Caller, services: Services, shows: Shows) => Effect.Effect<Reply<O>, Failure>
  readonly commands?: (message: MessageShape<I>) => ReadonlyArray<Judged>
  readonly withheld?: (message: MessageShape<I>) => MessageShape<O>
  readonly judgesItems?: true
}

const pathOf = (desc: DescMethodUnary<DescMessage, DescMessage>): string => `/${desc.parent.typeName}/${desc.name}`

const method = <I extends DescMessage, O extends DescMessage, P>(
  desc: DescMethodUnary<I, O>,
  parts: Parts<I, O, P>
): Method => {
  const path = pathOf(desc)
  const itself = (message: MessageShape<I>): Judged => ({
    method: path,
    body: () => toJson(desc.input, message) as Json
  })
  const erased: Method<I, O> = {
    desc,
    path,
    mutates: parts.withheld !== undefined,
    about: (message) => message as unknown as { readonly domain: string; readonly type?: string },
    prepare: (checks, message, header) => {
      const parsed = parts.parse(checks, message, header)
      return (caller, services, shows) => parts.serve(parsed, caller, services, shows)
    },
    judged: (message) => [itself(message), ...(parts.commands?.(message) ?? [])],
    withheld: (message) => parts.withheld?.(message),
    judgesItems: parts.judgesItems ?? false
  }
  return erased as unknown as Method
}

const receipt = ({ events, replayed }: JobResult): Record<string, string> => {
  const last = events.at(-1)!
  return {
    etag: etagOf(last.entity),
    "stategate-version": String(last.entity.version),
    "stategate-position": String(last.position),
    "stategate-time": String(last.time),
    "stategate-event-id": last.id,
    ...(replayed ? { "stategate-replayed": "true" } : {})
  }
}

export const etagOf = ({ version }: Pick<Entity, "version">): string => `"${version}"`

const empty = () => create(EmptySchema)
const refOnly = ({ domain, type, key }: Ref) => create(pb.EntitySchema, { domain, type, key })

const changed =
  <O extends DescMessage>(answer: (done: JobResult) => MessageShape<O>) =>
  (request: Request, caller: Caller, { entities }: Services) =>
    Effect.map(
      entities.change(request, caller),
      (done): Reply<O> => ({ message: answer(done), headers: receipt(done) })
    )

const entityOf = ({ events }: JobResult) => entityMessage(events.at(-1)!.entity)

const commandBody = ({ do: { case: name, value } }: pb.Command, domain: string): ReadonlyArray<Judged> => {
  if (name === undefined) return []
  const desc = name === "revert" ? pb.EventRefSchema : name === "del" ? pb.EntityRefSchema : pb.EntitySchema
  return [{ method: mutations[name], body: () => toJson(desc, { ...value, domain } as never) as Json }]
}

/** Every unary call of the API. Adding one to the proto without a row here is noticed at start. */
export const unaryMethods: ReadonlyArray<Method> = [
  method(pb.EntityService.method.set, {
    parse: requests.setRequest,
    serve: changed(empty),
    withheld: empty
  }),
  method(pb.EntityService.method.edit, {
    parse: requests.editRequest,
    serve: changed(entityOf),
    withheld: refOnly
  }),
  method(pb.EntityService.method.revert, {
    parse: requests.revertRequest,
    serve: changed(entityOf),
    withheld: refOnly
  }),
  method(pb.EntityService.method.del, {
    parse: requests.delRequest,
    serve: changed(empty),
    withheld: empty
  }),
  method(pb.EntityService.method.get, {
    parse: requests.getRequest,
    serve: ({ ref, asOf }, _, { entities }) =>
      Effect.map(entities.get(ref, asOf), (entity) => ({
        message: entityMessage(entity),
        // A past state has no tag: what it would be compared with is the present one.
        headers: asOf._tag === "Now" ? { etag: etagOf(entity) } : {}
      }))
  }),
  method(pb.EntityService.method.search, {
    parse: requests.searchRequest,
    serve: (wanted, _, { entities: { search } }, shows) =>
      Effect.map(
        shownPage(wanted, search, entityMessage, (entity) => shows(pb.EntitySchema, entity)),
        ({ messages, nextPageToken }) => ({
          message: create(pb.EntitiesSchema, { entities: [...messages], nextPageToken }),
          headers: {}
        })
      ),
    judgesItems: true
  }),
  method(pb.EntityService.method.apply, {
    parse: requests.applyRequest,
    serve: ({ domain, requests: list }, caller, { entities }) =>
      Effect.map(entities.apply(domain, list, caller), (done) => ({
        message: eventsMessage(done.events),
        headers: receipt(done)
      })),
    commands: ({ domain, commands }) => commands.flatMap((command) => commandBody(command, domain)),
    withheld: () => create(pb.EventsSchema)
  }),
  method(pb.EventService.method.search, {
    parse: requests.eventSearchRequest,
    serve: (wanted, _, { history: { search } }, shows) =>
      Effect.map(
        shownPage(
          wanted,
          search,
          (event) => eventMessage(event),
          (event) => shows(pb.EventSchema, event)
        ),
        ({ messages, nextPageToken }) => ({
          message: create(pb.EventsSchema, { events: [...messages], nextPageToken }),
          headers: {}
        })
      ),
    judgesItems: true
  }),
  method(pb.EventService.method.get, {
    parse: requests.eventRequest,
    serve: ({ ref, id }, _, { history }) =>
      Effect.map(history.event(ref, id), (event) => ({ message: eventMessage(event), headers: {} }))
  })
]
