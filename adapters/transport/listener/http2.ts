import { constants, createServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2"
import type { ListenerLimits } from "../../../application/limits.ts"
import type { Face, Handler, StreamHandler } from "./face.ts"

/** Calls `exceeded` when called more than `max` times within a window. */
const allowance = (max: number, windowMs: number, exceeded: () => void) => {
  let count = 0
  let since = performance.now()
  return {
    use: () => {
      const now = performance.now()
      if (now - since >= windowMs) {
        since = now
        count = 0
      }
      if (++count > max) exceeded()
    },
    renew: () => {
      count = 0
    }
  }
}

const pingBytes = 17

/** HTTP/2 on connections that somebody else accepted. */
export const http2 = (handler: Handler, limits: ListenerLimits, onStream: StreamHandler = () => false): Face => {
  // A server that did not accept its connections does not know its sessions either when it closes.
  const sessions = new Set<ServerHttp2Session>()

  const watch = (session: ServerHttp2Session) => {
    const within = (max: number) =>
      allowance(max, limits.floodWindowMs, () =>
        session.destroy(new Error("the peer floods this session"), constants.NGHTTP2_ENHANCE_YOUR_CALM)
      )
    const resets = within(limits.resetsPerWindowMax)
    const pings = within(limits.pingsPerWindowMax)

    let streams = 0
    sessions.add(session)
    session.once("close", () => sessions.delete(session))
    let written = 0
    session.on("ping", () => {
      // gRPC clients measure the network with a ping for every burst of data that they get: that is no flood, and pings
      // to which nothing but their echo was sent are.
      const before = written
      written = session.socket.bytesWritten
      if (written - before > 2 * pingBytes) pings.renew()
      pings.use()
    })
    session.on("remoteSettings", within(limits.settingsPerWindowMax).use)
    session.setTimeout(limits.sessionIdleMs, () => {
      if (streams === 0) session.close()
    })
    session.on("stream", (stream: ServerHttp2Stream) => {
      streams++
      let late = stream.endAfterHeaders ? undefined : setTimeout(cutIfUnfinished, limits.requestMsMax, stream)
      // Else a request that was answered early would stay open until its client has sent all of it (RFC 9113, 8.1).
      // Not at once: trailers are written some time after this event, and a reset overtakes them.
      stream.once("finish", () => {
        clearTimeout(late)
        if (!stream.readableEnded) late = setTimeout(dropUnread, limits.unreadLingerMs, stream)
      })
      stream.once("close", () => {
        streams--
        clearTimeout(late)
        if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) resets.use()
      })
    })
  }

  const server = createServer({
    settings: {
      maxConcurrentStreams: limits.streamsPerSessionMax,
      maxHeaderListSize: limits.headerBytesMax
    },
    maxHeaderListPairs: limits.headersMax,
    maxSessionMemory: limits.sessionMemoryMegabytesMax,
    maxSettings: limits.settingsPerFrameMax,
    maxOutstandingPings: limits.pingsUnansweredMax,
    maxSessionInvalidFrames: limits.invalidFramesMax,
    maxSessionRejectedStreams: limits.rejectedStreamsMax,
    // The limit on resets again: nghttp2 acts within one read, and ours serves runtimes whose HTTP/2 is another.
    streamResetBurst: limits.resetsPerWindowMax,
    streamResetRate: Math.ceil((limits.resetsPerWindowMax * 1000) / limits.floodWindowMs)
  })
  // Never listens: it makes requests and responses of the streams that nobody took before.
  const requests = createServer(handler)
  server.on("stream", (stream, headers, flags, rawHeaders) => {
    // What goes wrong with a stream ends it, and nothing else; unheard, an error would end the process.
    stream.on("error", () => {})
    // A peer may reset a stream together with the headers that open it.
    if (stream.destroyed || stream.closed) return
    try {
      if (headerListBytes(rawHeaders) > limits.headerBytesMax) stream.respond({ ":status": 431 }, { endStream: true })
      else if (!onStream(stream, headers)) requests.emit("stream", stream, headers, flags, rawHeaders)
    } catch {
      // Let through, it would end the process, with every other call in it.
      stream.destroy()
    }
  })
  server.on("session", watch)

  return {
    accept: (socket) => server.emit("connection", socket),
    drain: () => {
      // One GOAWAY that names the last stream served: those above it were not, and clients may send them again elsewhere.
      // (A notice before it, as RFC 9113, 6.8 suggests, is not to be had: nghttp2 ignores new streams after any GOAWAY.)
      for (const session of sessions) session.close()
    },
    close: () => server.close()
  }
}

const cutIfUnfinished = (stream: ServerHttp2Stream) => {
  if (!stream.readableEnded) stream.close(constants.NGHTTP2_CANCEL)
}

const dropUnread = (stream: ServerHttp2Stream) => {
  if (stream.readableEnded) return
  stream.close(constants.NGHTTP2_NO_ERROR)
  // What its reader left unread would keep it from closing on our side.
  stream.destroy()
}

/** As RFC 9113, 6.5.2 counts. Node enforces `maxHeaderListSize` only once the peer has acknowledged it, and a peer need not. */
const headerListBytes = (rawHeaders: ReadonlyArray<string>) => {
  let bytes = rawHeaders.length * 16
  for (const text of rawHeaders) bytes += text.length
  return bytes
}
