/** The bytes of an answer that flow control holds back. */
export class SendQueue {
  bytes = 0
  readonly #pieces: Array<Uint8Array> = []

  add(piece: Uint8Array): void {
    if (piece.length > 0) this.#pieces.push(piece)
    this.bytes += piece.length
  }

  /** Removes and returns the next piece, of at most `most` bytes. The queue must not be empty. */
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
