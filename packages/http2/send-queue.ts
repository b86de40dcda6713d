/** Bytes of an answer that wait until they may be sent. */
export class SendQueue {
  bytes = 0
  readonly #pieces: Array<Uint8Array> = []

  add(piece: Uint8Array): void {
    if (piece.length > 0) this.#pieces.push(piece)
    this.bytes += piece.length
  }

  /** The next bytes, no more than these, of a queue that has some. */
  take(most: number): Uint8Array {
    const next = this.#pieces[0]!
    const piece = next.length > most ? next.subarray(0, most) : next
    if (piece === next) this.#pieces.shift()
    else this.#pieces[0] = next.subarray(most)
    this.bytes -= piece.length
    return piece
  }

  clear(): void {
    this.#pieces.length = this.bytes = 0
  }
}
