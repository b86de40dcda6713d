// `npm run check`: all that can be said without running a test.

import { staticSteps, take } from "./testing/steps.ts"

await take(staticSteps)
