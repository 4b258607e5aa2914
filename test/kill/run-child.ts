import { main } from '../../src/cli/main-cdc.ts'

// `cdc …` as one process, without the launcher between, so that SIGKILL hits the program itself.
await main(process.argv.slice(2))
