// `npm test`: everything. `npm test -- test/domain -t glob`: these tests on Node, and nothing else.

import { planFor, take } from "./testing/steps.ts"

await take(planFor(process.argv.slice(2)))
