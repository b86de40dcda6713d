// Bounds of authentication.

/** Bytes of one bearer token. */
export const tokenBytesMax = 16 * 1024
/** JSON values in the header and in the claims of one token. */
export const tokenValuesMax = 2_000
/** Milliseconds by which the clocks of an issuer and of a gateway may differ, unless a setting says otherwise. */
export const tokenLeewayMs = 30_000
/** Verified tokens that are remembered, and bytes of memory for them. */
export const tokenCacheEntriesMax = 10_000
export const tokenCacheBytesMax = 32 * 1024 * 1024

/** Bytes of a key set or of an issuer's configuration. */
export const keySetBytesMax = 1024 * 1024
/** Keys in one set. */
export const keysMax = 100
/** Bits of the modulus of an RSA key: fewer are weak, and more take too long. */
export const rsaBitsMin = 2048
export const rsaBitsMax = 8192
/** Milliseconds for one fetch, body included. */
export const keyFetchMsMax = 5_000
/** Redirects within one origin that one fetch follows. */
export const keyRedirectsMax = 3
/** Milliseconds between two refreshes, at least and at most, whatever the issuer's Cache-Control says. */
export const keyRefreshMsMin = 30_000
export const keyRefreshMsMax = 600_000
/** Milliseconds between two fetches for key ids that are not known. */
export const keyCooldownMs = 30_000
/** Milliseconds between tries to fetch a key set that cannot be had, at first and at most. */
export const keyRetryMs = 1_000
export const keyRetryMsMax = 60_000
/** Milliseconds for which the last good keys serve while no others can be had, unless a setting says otherwise. */
export const keyAgeMsMax = 24 * 3_600_000
/** Milliseconds between looks at whether a file of keys has changed. */
export const keyFilePollMs = 1_000
