import {
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream
} from "node:http2"
import type { Socket } from "node:net"
import {
  type ConnectionAdmission,
  type Earned,
  floodLimit,
  type Handler,
  isRequest,
  type ProtocolHandler
} from "@stategate/http2"
import type { ListenerLimits } from "../../../application/limits.ts"
import type { RefuseOversized } from "./oversized.ts"

/** Units of Node: megabytes that a session may take, and PINGs of ours that its peer has not answered. */
const sessionMegabytesMax = 16
const settingsPerFrameMax = 32
/** Frames that are invalid, and streams that are refused, before the session ends. */
const invalidFramesMax = 100
const rejectedStreamsMax = 100
/** Fields that are taken in, so that a request with too many is answered rather than reset. */
const fieldsReadMax = 1_000

/** What a stream takes beside what waits for its client, which is not known here. */
const streamBytes = 24_576

/**
 * HTTP/2 by Node, on connections that somebody else accepted: the stand-in for our own implementation (STATEGATE_HTTP2).
 * It serves requests alone, so gRPC has no faster path, and knows no budget that all sessions share.
 */
export const http2ByNode = (
  handler: Handler,
  limits: ListenerLimits,
  refuseOversized: RefuseOversized
): ProtocolHandler => {
  // A server that did not accept its connections does not know its sessions either when it closes.
  const leaving = new Map<ServerHttp2Session, () => void>()
  const admissions = new WeakMap<ServerHttp2Session, ConnectionAdmission>()
  const server = createServer({
    settings: {
      maxConcurrentStreams: limits.streamsPerSessionMax,
      initialWindowSize: limits.streamWindowBytes,
      // Node resets what is above it without an answer, so it is not the limit on headers but the one on their block.
      maxHeaderListSize: limits.headerBlockBytesMax
    },
    maxHeaderListPairs: fieldsReadMax,
    maxSessionMemory: sessionMegabytesMax,
    maxSettings: settingsPerFrameMax,
    maxSessionInvalidFrames: invalidFramesMax,
    maxSessionRejectedStreams: rejectedStreamsMax,
    streamResetBurst: limits.resetsPerWindowMax,
    streamResetRate: Math.ceil((limits.resetsPerWindowMax * 1_000) / limits.floodWindowMs)
  })
  // Never listens: it makes requests and responses of streams.
  const requests = createServer((request, response) =>
    handler(request as unknown as Parameters<Handler>[0], response as unknown as Parameters<Handler>[1])
  )

  server.on("stream", (stream, headers, flags, rawHeaders) => {
    // What goes wrong with a stream ends it, and nothing else; unheard, an error would end the process.
    stream.on("error", () => {})
    // A peer may reset a stream together with the headers that open it.
    if (stream.destroyed || stream.closed) return
    const admission = stream.session === undefined ? undefined : admissions.get(stream.session as ServerHttp2Session)
    if (admission?.begin(streamBytes) !== undefined) {
      stream.close(constants.NGHTTP2_REFUSED_STREAM)
      return
    }
    stream.once("close", () => admission?.end(streamBytes))
    try {
      if (isOversized(rawHeaders, limits)) refuse(stream, headers, refuseOversized)
      else if (!isRequest(headers as Readonly<Record<string, string>>)) stream.close(constants.NGHTTP2_PROTOCOL_ERROR)
      else requests.emit("stream", stream, asOfHttp1(headers), flags, rawHeaders)
    } catch {
      // Let through, it would end the process, with every other call in it.
      stream.destroy()
    }
  })

  return {
    accept: (socket, admission) => {
      // Node's sessions do not see that their peer says nothing more, and would stay.
      socket.allowHalfOpen = false
      const onSession = (session: ServerHttp2Session) => {
        if (admission !== undefined) admissions.set(session, admission)
        leaving.set(session, watchSession(session, socket, limits))
        session.once("close", () => leaving.delete(session))
      }
      // Emitted before the other returns.
      server.once("session", onSession).emit("connection", socket)
      server.off("session", onSession)
    },
    drain: () => {
      for (const leave of leaving.values()) leave()
    },
    close: () => server.close()
  }
}

/** Ends a session that floods or idles, and streams that take too long. Gives what lets it finish, and begin nothing. */
const watchSession = (session: ServerHttp2Session, socket: Socket, limits: ListenerLimits): (() => void) => {
  const exceeded = () => session.destroy(new Error("the peer floods this session"), constants.NGHTTP2_ENHANCE_YOUR_CALM)
  let answers = 0
  const within = (max: number, earned?: Earned) => floodLimit(max, limits.floodWindowMs, exceeded, earned)
  const onReset = within(limits.resetsPerWindowMax)
  const onSettings = within(limits.settingsPerWindowMax)
  session.setLocalWindowSize(limits.sessionWindowBytes)
  session.on("ping", within(limits.pingsPerWindowMax, { answers: () => answers, perAnswer: limits.pingsPerAnswerMax }))
  session.on("localSettings", onSettings)
  session.on("remoteSettings", onSettings)
  const greeting = setTimeout(exceeded, limits.firstBytesMsMax)
  session.once("remoteSettings", () => clearTimeout(greeting))
  session.once("close", () => clearTimeout(greeting))
  let streams = 0
  // Node ends its side and waits for the peer to end the other, however long that takes.
  const hangUpIfDone = () => {
    if (session.closed && streams === 0) destroyLater(socket, limits)
  }
  const leave = () => {
    session.close()
    hangUpIfDone()
  }
  session.setTimeout(limits.sessionIdleMs, () => {
    if (streams === 0) leave()
  })
  session.on("stream", (stream: ServerHttp2Stream) => {
    streams += 1
    let timer = stream.endAfterHeaders ? undefined : setTimeout(cancelUnfinished, limits.requestMsMax, stream)
    // The answer is complete and its client takes none of it.
    stream.setTimeout(limits.unreadMsMax, () => {
      if (stream.writableEnded) stream.close(constants.NGHTTP2_CANCEL)
    })
    // A request that was answered early would stay open until its client has sent all of it (RFC 9113, 8.1). Not at
    // once: trailers are written some time after this event, and a reset would overtake them.
    stream.once("finish", () => {
      answers += 1
      clearTimeout(timer)
      if (!stream.readableEnded) timer = setTimeout(dropUnread, limits.unreadLingerMs, stream)
    })
    stream.once("close", () => {
      streams -= 1
      clearTimeout(timer)
      if (!stream.writableEnded || stream.rstCode !== constants.NGHTTP2_NO_ERROR) onReset()
      hangUpIfDone()
    })
  })
  return leave
}

const destroyLater = (socket: Socket, { unreadMsMax, unreadLingerMs }: ListenerLimits): void => {
  const destroy = () => socket.destroy()
  const timers = [setTimeout(destroy, unreadMsMax)]
  if (socket.writableFinished) timers.push(setTimeout(destroy, unreadLingerMs))
  else socket.once("finish", () => timers.push(setTimeout(destroy, unreadLingerMs)))
  socket.once("close", () => {
    for (const timer of timers) clearTimeout(timer)
  })
}

const cancelUnfinished = (stream: ServerHttp2Stream): void => {
  if (!stream.readableEnded) stream.close(constants.NGHTTP2_CANCEL)
}

const dropUnread = (stream: ServerHttp2Stream): void => {
  if (stream.readableEnded) return
  stream.close(constants.NGHTTP2_NO_ERROR)
  // What its reader left unread would keep it from closing on our side.
  stream.destroy()
}

/** As RFC 9113, 6.5.2 counts. */
const isOversized = (rawHeaders: ReadonlyArray<string>, { headerBytesMax, headersMax }: ListenerLimits): boolean => {
  let bytes = rawHeaders.length * 16
  for (const text of rawHeaders) bytes += text.length
  return bytes > headerBytesMax || rawHeaders.length / 2 > headersMax
}

const refuse = (stream: ServerHttp2Stream, sent: IncomingHttpHeaders, refuseOversized: RefuseOversized): void => {
  const header = (name: string) => {
    const value = sent[name]
    return typeof value === "string" ? value : undefined
  }
  const { status, headers, body } = refuseOversized({ path: header(":path") ?? "", header })
  stream.respond({ ":status": status, ...headers }, { endStream: body === "" })
  if (body !== "") stream.end(body)
}

/** Handlers are written for HTTP/1.1: they expect a Host, and to see nothing but header fields when they list them. */
const asOfHttp1 = (headers: IncomingHttpHeaders): IncomingHttpHeaders => {
  headers.host ??= headers[":authority"] as string | undefined
  for (const name of [":method", ":path", ":scheme", ":authority"]) {
    // Node's request reads them from here, so they stay.
    if (name in headers) Object.defineProperty(headers, name, { enumerable: false })
  }
  return headers
}
