/** An id for a log that is born: 16 random hex digits, which tell it from any other that may take its place. */
export const newIncarnation = (): string => crypto.randomUUID().replaceAll("-", "").slice(0, 16)
