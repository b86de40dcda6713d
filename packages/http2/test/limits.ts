import type { Http2Limits } from "../limits.ts"

/** Limits that no test meets unless it sets its own. */
export const wideLimits: Http2Limits = {
  firstBytesMsMax: 10_000,
  headersMsMax: 15_000,
  requestMsMax: 120_000,
  lateCheckMs: 1_000,
  sessionIdleMs: 300_000,
  headerBytesMax: 16_384,
  headersMax: 100,
  headerBlockBytesMax: 65_536,
  unreadLingerMs: 1_000,
  streamsPerSessionMax: 256,
  streamWindowBytes: 262_144,
  sessionWindowBytes: 8_388_608,
  sessionsHeldBytesMax: 268_435_456,
  requestWaitMsMax: 5_000,
  unreadMsMax: 120_000,
  heldBytesMax: 1_048_576,
  floodWindowMs: 10_000,
  resetsPerWindowMax: 1_000,
  pingsPerWindowMax: 500,
  pingsPerAnswerMax: 2,
  settingsPerWindowMax: 100,
  idleFramesPerWindowMax: 10_000,
  idleFramesPerAnswerMax: 4
}
