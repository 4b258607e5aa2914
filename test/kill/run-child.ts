import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// `cdc …` as one process, without the launcher between, so that SIGKILL hits the program itself. As bin/launch.mjs does, it keeps what Node made
// of the TypeScript: two thirds of the half second of CPU that a start costs.
enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/tributary', import.meta.url)))
const { main } = await import('../../src/cli/main-cdc.ts')
await main(process.argv.slice(2))
