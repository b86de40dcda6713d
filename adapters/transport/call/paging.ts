import type { DescMessage, MessageShape } from "@bufbuild/protobuf"
import { Effect } from "effect"
import type { Failure } from "../../../application/failure.ts"
import { pageItemsMax, withheldPagesMax } from "../../../application/limits.ts"
import type { Hit, Page, Search } from "../../../application/ports/EventStore.ts"
import { encodePageToken, type TokenPlace } from "../../../application/storage/page-token.ts"
import type { TooLarge } from "../../../domain/rejection.ts"

/** A search as it was asked for, and the page of it. */
export interface PagedSearch<Wanted extends Search = Search> {
  readonly search: Wanted
  /** Tells it from other searches; see `searchNumber`. */
  readonly number: bigint
  /** What its page token says, if there is one. */
  readonly after: TokenPlace | undefined
}

/** Whether the policy shows a part of an answer to the caller. */
export type Shows = (desc: DescMessage, message: MessageShape<DescMessage>) => Effect.Effect<boolean, Failure>

export interface ShownPage<Message> {
  readonly messages: ReadonlyArray<Message>
  readonly nextPageToken: string
}

/**
 * A page without the items that the policy withholds. A token names the item that it goes on behind, and must not name
 * one that is withheld: it goes back to the last one that is shown. Where none is, the search goes on for the caller.
 */
export const shownPage = Effect.fnUntraced(function* <Item, Message, Wanted extends Search>(
  { search, number, after }: PagedSearch<Wanted>,
  find: (search: Wanted, after?: TokenPlace) => Effect.Effect<Page<Item>, Failure>,
  messageOf: (item: Item) => Message,
  isShown: (message: Message) => Effect.Effect<boolean, Failure>
): Effect.fn.Return<ShownPage<Message>, Failure> {
  let wanted = search
  let place = after
  for (let pages = 0; pages < withheldPagesMax; pages++) {
    const { hits, last } = yield* find(wanted, place)
    const messages: Array<Message> = []
    let end: Hit<Item> | undefined
    let judged = 0
    for (; judged < hits.length && messages.length < search.limit; judged++) {
      const message = messageOf(hits[judged]!.item)
      if (!(yield* isShown(message))) continue
      messages.push(message)
      end = hits[judged]
    }
    const isWhole = judged === hits.length
    if (isWhole && last === undefined) return { messages, nextPageToken: "" }
    // It may have been looked at without passing, and not be judged yet.
    const isUnjudged = isWhole && last!.key.tie !== hits.at(-1)?.key.tie
    if (isUnjudged && (yield* isShown(messageOf(last!.item)))) end = last
    if (end !== undefined) return { messages, nextPageToken: encodePageToken(number, end.key) }
    wanted = { ...search, offset: 0, limit: pageItemsMax, partial: true }
    place = last!.key
  }
  return yield* Effect.fail(withheld)
})

const withheld: TooLarge = {
  _tag: "TooLarge",
  message: `the policy withholds everything in ${withheldPagesMax} pages; narrow the type, the filter or the times`
}
