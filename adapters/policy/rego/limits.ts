/** Bytes of a policy or of its data, unpacked. */
export const policyBytesMax = 32 * 1024 * 1024
/** Milliseconds that one compilation may take. */
export const compileMsMax = 60_000
/** Compiled policies that a folder keeps; the oldest go first. */
export const compiledPoliciesMax = 64
/** Pages of 64 KiB that an evaluation may use, its data not included. */
export const evaluationPagesMax = 4_096
/** Bytes of memory above its data after which an instance is replaced. */
export const renewBytes = 16 * 1024 * 1024
/** Milliseconds between looks at whether the files of a policy have changed. */
export const policyCheckMs = 2_000
