import { nameFlag, sourceFlag, urlFlag } from '../defaults.ts'
import { list, text } from '../flag.ts'
import { defineVerb } from '../verb.ts'

export const verb = defineVerb({
  description:
    'Asks something of a run by a row in its signal table (cdc run --signal-table). execute-snapshot reads the rows of --tables again beside the stream: for a table that came later, or a column that was added with a default. stop-snapshot, pause-snapshot and resume-snapshot are about such snapshots; log makes the run print --message.',
  args: [{ name: 'ACTION', help: 'execute-snapshot, stop-snapshot, pause-snapshot, resume-snapshot or log', required: true }],
  flags: {
    source: sourceFlag,
    url: urlFlag,
    name: nameFlag,
    'signal-table': text({ help: 'the signal table of the run, as schema.table', placeholder: 'TABLE', required: true }),
    tables: list({ help: 'tables of the snapshot, as schema.table with * for any text', default: [] }),
    where: text({ help: 'SQL condition of the rows that are wanted', placeholder: 'SQL' }),
    'surrogate-key': text({
      help: 'column to read the tables in order of: unique, NOT NULL, indexed; for tables without a key',
      placeholder: 'COLUMN',
    }),
    message: text({ help: 'what log prints; {} stands for the position', placeholder: 'TEXT', defaultText: 'the position' }),
  },
  examples: [
    {
      why: 'read the old rows of a table that was added',
      command: 'cdc signal execute-snapshot --signal-table public.signals --tables shop.returns',
    },
    { why: 'let go of all snapshots that are going on', command: 'cdc signal stop-snapshot --signal-table public.signals' },
  ],
  async run(context) {
    const { sendSignal } = await import('./send-signal.ts')
    return await sendSignal(context)
  },
})
