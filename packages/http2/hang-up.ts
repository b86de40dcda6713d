import type { Socket } from "node:net"

/**
 * Ends this side of a connection after everything written so far. The peer has `msMax` to read that and to close its side.
 * Once everything is sent, it may be silent for `silenceMsMax` at most.
 */
export const hangUp = (socket: Socket, msMax: number, silenceMsMax = msMax): void => {
  if (socket.destroyed) return
  const destroy = () => socket.destroy()
  const timers = [setTimeout(destroy, msMax)]
  socket.once("finish", () => {
    const silence = setTimeout(destroy, silenceMsMax)
    timers.push(silence)
    socket.on("data", () => silence.refresh())
  })
  socket.once("close", () => {
    for (const timer of timers) clearTimeout(timer)
  })
  socket.end()
  // Further input is discarded, so that its end is noticed.
  socket.resume()
}
