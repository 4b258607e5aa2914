import { runProgram } from './program.ts'
import { CDC } from './verbs.ts'

/** Entry of bin/cdc.mjs. */
export async function main(argv: readonly string[]): Promise<void> {
  await runProgram(CDC, argv)
}

// Started by bin/launch.mjs in a newer Node.
if (process.argv[2] === '--from-launcher' && process.channel !== undefined) await main(process.argv.slice(2))
