const endless = new WeakSet<object>()

/**
 * Says that an answer lasts until its client leaves. To be called before its headers are sent. A client that ends its side
 * of an HTTP/1.1 connection may still wait for any other answer.
 */
export const markEndless = (response: object): void => {
  endless.add(response)
}

export const isEndless = (response: object): boolean => endless.has(response)
