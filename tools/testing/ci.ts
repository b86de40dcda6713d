/** Whether this is the run that decides: it may skip nothing, and prints little. */
export const isCi = ["true", "1"].includes(process.env.CI ?? "")
