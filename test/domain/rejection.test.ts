import { expect, it } from "vitest"
import { invalid, type Rejection, within } from "../../domain/rejection.ts"

const part = "commands[2]"

it("a rejected part says which fields of it are wrong", () => {
  const whole = invalid({ field: "set.key", rule: "must not be empty" }, { field: "values", rule: "too deep" })
  expect(within(part, whole)).toEqual(
    invalid(
      { field: "commands[2].set.key", rule: "must not be empty" },
      { field: "commands[2].values", rule: "too deep" }
    )
  )
})

it("a rejection with a message names the part in it, and keeps its other fields", () => {
  const rejections: ReadonlyArray<Exclude<Rejection, { _tag: "Invalid" | "KeyReused" | "Erased" }>> = [
    { _tag: "NotFound", message: "gone" },
    { _tag: "Conflict", message: "missed", current: 7n },
    { _tag: "TooLarge", message: "too much" },
    { _tag: "OutOfRange", message: "rewound" }
  ]
  for (const rejection of rejections) {
    expect(within(part, rejection)).toEqual({ ...rejection, message: `commands[2]: ${rejection.message}` })
  }
})

it("a rejection without a message stays as it is", () => {
  expect(within(part, { _tag: "KeyReused" })).toEqual({ _tag: "KeyReused" })
  expect(within(part, { _tag: "Erased" })).toEqual({ _tag: "Erased" })
})
