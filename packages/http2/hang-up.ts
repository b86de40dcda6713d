import type { Socket } from "node:net"

/**
 * Says that nothing more comes, behind all that was said. The peer gets so much time to take that and to close its side,
 * and once everything is on its way, no more than `silenceMsMax` without a word: one that still reads has something to say.
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
  // What still comes is thrown away, so that the end of it is seen.
  socket.resume()
}
