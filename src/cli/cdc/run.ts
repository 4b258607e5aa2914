import { defineVerb } from '../verb.ts'
import { RUN_FLAGS } from './run-flags.ts'

/** `cdc run`: source → embedded log → lake, until stopped. */
export const verb = defineVerb({
  description:
    'Takes a consistent snapshot of the tables, then follows their changes. Everything is in the embedded log before the source is told so, and from there goes into Hudi tables, several tables at one source position. Started again, it goes on where it was, whatever ended it.',
  flags: RUN_FLAGS,
  examples: [
    { why: 'capture the tables of one schema into ./lake; connection from DATABASE_URL or PGHOST …', command: "cdc run --tables 'shop.*'" },
    { why: 'bring the lake up to date and stop', command: 'cdc run --url postgres://app@db/shop --lake /data/lake --once' },
  ],
  async run(context) {
    const { runFlow } = await import('./run-flow.ts')
    return await runFlow(context)
  },
})
