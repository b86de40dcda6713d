/** The token of `authorization: Bearer …`; undefined where the value is anything else, or more than one. */
export const bearerToken = (authorization: string): string | undefined =>
  // RFC 6750, 2.1: one token of these characters. The scheme has no case (RFC 9110, 11.1).
  /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i.exec(authorization)?.[1]
