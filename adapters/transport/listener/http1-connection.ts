import type { Socket } from "node:net"
import { type ConnectionAdmission, type Handler, StallTimer } from "@stategate/http2"
import type { ListenerLimits } from "../../../application/limits.ts"
import { isEndless } from "../http/endless.ts"
import { headOf, headOfText, type RequestHead } from "../http/request-head.ts"
import { answerWhole, lastAnswer } from "./answer.ts"
import { Http1Input, type Parser } from "./http1-input.ts"
import { Http1Memory } from "./http1-memory.ts"
import type { MessageOwner, Request, Response } from "./http1-messages.ts"
import { problemOf, type Refusing, refusalAnswer, type Unfit, unfitAnswer } from "./unfit.ts"

export interface Http1Options extends Refusing {
  readonly limits: ListenerLimits
  readonly handler: Handler
  readonly admission: ConnectionAdmission
  readonly onClose: () => void
}

interface Exchange {
  readonly request: Request
  readonly response: Response
}

/** What a request takes beside its bytes: once it is begun, and while it waits, parsed, for the one before it. */
const requestBytes = 24_576
const parsedBytes = 8_192

/**
 * One HTTP/1.1 connection. Requests are begun one after the other: the next when the answer before it has left, however
 * many were sent at once, so that their order is that of their effects and no answer waits behind another.
 */
export class Http1Connection implements MessageOwner {
  readonly #socket: Socket
  readonly #options: Http1Options
  readonly #input: Http1Input
  readonly #memory: Http1Memory
  /** What is answered now. */
  #current: Exchange | undefined
  /** What came so closely behind it that it was parsed already. */
  readonly #parsed: Array<Exchange> = []
  /** When what goes on now began: a request, or a rest. */
  #since = performance.now()
  /** When a request was first seen on its way, its headers not complete. */
  #headersSince: number | undefined
  /** The client may rest: it has sent a request before. */
  #hasAnswered = false
  #isEnding = false
  /** The client sends nothing more. */
  #hasEnded = false
  #isDraining = false
  /** What is to be said behind the present answer, and last. */
  #lastAnswer: { readonly name: Unfit; readonly head: RequestHead } | undefined
  #isWaiting = false
  #linger: NodeJS.Timeout | undefined
  readonly #unread = new StallTimer()

  constructor(socket: Socket, options: Http1Options) {
    this.#socket = socket
    this.#options = options
    this.#input = new Http1Input(socket, options.admission, {
      mayFeed: () => this.#mayFeed(),
      onChange: () => this.#memory.account()
    })
    this.#memory = new Http1Memory(socket, options.admission, {
      heldBytes: () => this.#heldBytes(),
      isServed: () => this.#current?.request.complete === true && socket.writableLength === 0,
      isSending: () => this.#current?.request.complete !== true
    })
    socket
      .on("drain", () => this.#next())
      .on("end", () => this.#ended())
      .on("close", () => this.#closed())
  }

  /** Begins to serve what the parser makes of the input. */
  start(parser: Parser): void {
    this.#input.start(parser)
  }

  /** A request has been parsed, up to its body. */
  parsed(request: Request, response: Response): void {
    this.#input.parsed(request)
    // The answer before this one was the last: nothing can be said to what the client sent after it.
    if (this.#isEnding || this.#socket.writableEnded) return
    if (this.#current === undefined) this.#begin({ request, response })
    else this.#parsed.push({ request, response })
  }

  /** What came is no request: it is said so behind the answers that are owed. */
  failed(name: Unfit): void {
    const current = this.#current
    const isInBody = current !== undefined && !current.request.complete
    const head = isInBody ? headOf(current.request) : headOfText(this.#input.headText)
    this.#input.close()
    // Nobody made a mistake: the client has left in the middle.
    if (isInBody && this.#hasEnded && !current.response.headersSent) {
      this.#socket.destroy()
      return
    }
    this.#lastAnswer ??= { name, head }
    // Nothing that was parsed is owed an answer, or the mistake is in the body of what is being answered.
    const isDue = current === undefined ? this.#parsed.length === 0 : isInBody && !current.response.headersSent
    if (isDue) this.#endWith(this.#lastAnswer)
  }

  wantsBody(): void {
    this.#input.feedLater()
  }

  /** No new request from now on. */
  drain(): void {
    this.#isDraining = true
    for (const { response } of this.#parsed) response.shouldKeepAlive = false
    if (this.#current !== undefined) this.#current.response.shouldKeepAlive = false
    else if (this.#isAtRest) this.#socket.destroySoon()
  }

  get #isAtRest(): boolean {
    return this.#hasAnswered && this.#input.isAtRest
  }

  #mayFeed(): boolean {
    if (this.#isEnding || this.#parsed.length > 0) return false
    if (this.#current === undefined) return this.#socket.writableLength === 0
    return !this.#current.request.complete && this.#current.request.hasRoom
  }

  #begin(exchange: Exchange): void {
    const { request, response } = exchange
    const { limits, handler, admission } = this.#options
    this.#current = exchange
    this.#headersSince = undefined
    this.#since = performance.now()
    request.owner = response.owner = this
    let slots = 1
    let hasSlot = false
    const free = () => {
      slots -= 1
      if (slots === 0 && hasSlot) admission.end(requestBytes)
    }
    response.prependOnceListener("finish", () => {
      if (request.complete) return
      // A close with unread bytes is a TCP reset, which may overtake the response: half-close, and let the client finish.
      this.#socket.destroySoon = () => this.#socket.end()
      request.discard(limits.unreadBodyBytesMax)
    })
    response.once("close", () => {
      free()
      this.#answered(exchange)
    })
    const problem = problemOf(request, limits)
    if (problem !== undefined) {
      response.shouldKeepAlive = false
      answerWhole(response, unfitAnswer(this.#options, problem, headOf(request)))
      return
    }
    const refusal = admission.begin(requestBytes)
    if (refusal !== undefined) {
      answerWhole(response, refusalAnswer(this.#options, refusal, headOf(request)))
      return
    }
    hasSlot = true
    const work = handler(request, response)
    if (!(work instanceof Promise)) return
    slots += 1
    work.then(free, free)
  }

  #answered(exchange: Exchange): void {
    if (this.#current !== exchange) return
    this.#current = undefined
    this.#since = performance.now()
    this.#hasAnswered = true
    this.#input.rest()
    this.#memory.account()
    if (this.#isDraining && this.#parsed.length === 0) this.#socket.destroySoon()
    else this.#next()
  }

  /** Goes on with the next request, once all that was said has left. */
  #next(): void {
    if (this.#current !== undefined || this.#isEnding || this.#isWaiting || this.#socket.destroyed) return
    if (this.#socket.writableLength > 0) {
      // A little does not drain with a word.
      if (!this.#socket.writableNeedDrain) this.#nextLater(setImmediate)
      return
    }
    const parsed = this.#parsed[0]
    if (parsed === undefined) {
      if (this.#lastAnswer !== undefined) this.#endWith(this.#lastAnswer)
      else this.#input.feed()
    } else if (this.#lastAnswer !== undefined && !parsed.request.complete) {
      // The rest of its body will never come.
      this.#endWith({ name: this.#lastAnswer.name, head: headOf(parsed.request) })
    } else if (this.#options.admission.enter()) {
      this.#parsed.shift()
      this.#begin(parsed)
    } else this.#nextLater(this.#options.admission.later)
  }

  #nextLater(later: (run: () => void) => void): void {
    this.#isWaiting = true
    later(() => {
      this.#isWaiting = false
      this.#next()
    })
  }

  /** The client says nothing more, and may still listen for the answer to what it said. */
  #ended(): void {
    this.#hasEnded = true
    this.#endWithoutListener()
  }

  /** A client that ends its side in the middle of an endless answer is taken to have left. */
  #endWithoutListener(): void {
    const response = this.#current?.response
    if (this.#hasEnded && response?.headersSent === true && isEndless(response)) this.#socket.destroy()
  }

  #closed(): void {
    this.#isEnding = true
    clearTimeout(this.#linger)
    this.#input.close()
    this.#parsed.length = 0
    this.#memory.close()
    this.#options.onClose()
  }

  /** To be called now and then: ends what takes too long. */
  look(now: number): void {
    const socket = this.#socket
    const { unreadMsMax, requestMsMax, keepAliveMs, headersMsMax } = this.#options.limits
    const sent = this.#memory.sample(now, this.#input.takeFed())
    if (this.#unread.ms(socket.writableLength === 0 ? undefined : sent, now) > unreadMsMax) {
      socket.destroy()
      return
    }
    if (this.#isEnding) return
    const elapsed = now - this.#since
    if (this.#current !== undefined) {
      const { request, response } = this.#current
      if (request.complete || elapsed <= requestMsMax) return
      // Whatever was said so far, nothing can be made of the rest.
      if (response.headersSent) socket.destroy()
      else this.#endWith({ name: "late", head: headOf(request) })
    } else if (this.#isAtRest) {
      if (elapsed > keepAliveMs) socket.destroySoon()
    } else {
      this.#headersSince ??= now
      if (now - this.#headersSince <= headersMsMax) return
      if (socket.writableEnded) socket.destroy()
      else this.#endWith({ name: "late", head: headOfText(this.#input.headText) })
    }
  }

  #endWith({ name, head }: { readonly name: Unfit; readonly head: RequestHead }): void {
    if (this.#isEnding || this.#socket.destroyed) return
    this.#isEnding = true
    this.#input.close()
    this.#socket.end(lastAnswer(unfitAnswer(this.#options, name, head)))
    // What still comes is thrown away, so that its end is seen; a client that does not close is cut off after a while.
    this.#socket.resume()
    this.#linger = setTimeout(() => this.#socket.destroy(), this.#options.limits.unreadLingerMs)
  }

  written(): void {
    this.#memory.account()
    this.#endWithoutListener()
  }

  #heldBytes(): number {
    const response = this.#current?.response
    const request = response?.headersSent === true ? 0 : this.#input.requestBytes
    const answer = Math.max(this.#socket.writableLength, response?.writableLength ?? 0)
    return this.#input.bytes + request + answer + this.#parsed.length * parsedBytes
  }
}
