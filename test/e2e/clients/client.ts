// What every client of the gateway can do, whatever it speaks: messages go in and come out as proto JSON, so that one
// round of calls can be written once and be gone through with each of them.

export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }
export type Values = { readonly [key: string]: Json }

export type Ref = { readonly domain: string; readonly type: string; readonly key: string }

export interface EntityJson extends Ref {
  readonly values?: Values
  readonly version?: string
}

export interface EventJson {
  readonly id: string
  readonly entity: EntityJson
  readonly time: string
  readonly method: string
  readonly position: string
  readonly cursor?: string
  readonly requestId?: string
}

/** The unary calls, and the messages that they answer. */
export interface Answers {
  readonly "EntityService/Set": Values
  readonly "EntityService/Edit": EntityJson
  readonly "EntityService/Revert": EntityJson
  readonly "EntityService/Get": EntityJson
  readonly "EntityService/Del": Values
  readonly "EntityService/Search": {
    readonly entities?: ReadonlyArray<EntityJson>
    readonly nextPageToken?: string
  }
  readonly "EntityService/Apply": { readonly events?: ReadonlyArray<EventJson> }
  readonly "EventService/Search": { readonly events?: ReadonlyArray<EventJson>; readonly nextPageToken?: string }
  readonly "EventService/Get": EventJson
}

/** Header or metadata by its name in lower case. */
export type Heads = Readonly<Record<string, string>>

export interface Answer<Message> {
  readonly message: Message
  readonly headers: Heads
}

/** An open stream: the gateway has sent its headers, and from here on nothing is missed. */
export interface EventStream {
  readonly headers: Heads
  /** The next event; undefined when the gateway ended the stream without an error. */
  readonly next: () => Promise<EventJson | undefined>
  readonly close: () => void
}

export interface StateClient {
  /** Rejects with `Refused`. */
  readonly call: <Name extends keyof Answers>(
    name: Name,
    message: Values,
    headers?: Heads
  ) => Promise<Answer<Answers[Name]>>
  /** Opening or reading it rejects with `Refused`. */
  readonly stream: (message: Values, headers?: Heads) => Promise<EventStream>
  readonly close: () => void
}

/** How a call failed, as this client was told. */
export class Refused extends Error {
  /** As gRPC writes it, such as NOT_FOUND. */
  readonly code: string
  readonly violations: ReadonlyArray<{ readonly field: string; readonly description: string }>
  /** Of google.rpc.ErrorInfo. */
  readonly info: { readonly reason: string; readonly metadata: Readonly<Record<string, string>> } | undefined
  readonly headers: Heads

  constructor(code: string, message: string, details: ReadonlyArray<Values>, headers: Heads) {
    super(message)
    this.code = code
    const named = (type: string) => details.find((detail) => String(detail["@type"]).endsWith(`/${type}`))
    this.violations = (named("google.rpc.BadRequest")?.["fieldViolations"] ?? []) as never
    this.info = named("google.rpc.ErrorInfo") as never
    this.headers = headers
  }
}

/** The refusal that a call ends with; fails when it does not. */
export const refusal = async (call: Promise<unknown>): Promise<Refused> => {
  const answered = await call.then(
    (answer) => `it answered ${JSON.stringify(answer)}`,
    (error: unknown) => error
  )
  if (answered instanceof Refused) return answered
  throw new Error("the call was to be refused", { cause: answered })
}

const patienceMs = 20_000

/** Waits, but not for ever: says what it waited for. */
export const within = async <A>(promise: Promise<A>, what: string): Promise<A> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), patienceMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The next events, as many as asked for. */
export const take = async (stream: EventStream, count: number): Promise<ReadonlyArray<EventJson>> => {
  const events: Array<EventJson> = []
  while (events.length < count) {
    const event = await within(stream.next(), `event ${events.length + 1} of ${count}`)
    if (event === undefined) throw new Error(`the stream ended after ${events.length} of ${count} events`)
    events.push(event)
  }
  return events
}
