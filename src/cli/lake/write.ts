import { concurrencyFlags } from '../concurrency-flags.ts'
import { choice, integer, list, size, text } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'

export const verb = defineVerb({
  description: [
    'Writes rows from JSON lines, CSV or Parquet into a Hudi table as one commit. A table that is not there is created: it needs --key. Types are',
    'those of the table, else declared (--types), else guessed so that no digit is lost; new columns are added to the table. Of rows with one',
    'key the one with the greatest --ordering value counts, of equal ones the later. A key whose partition has changed moves. Nothing is',
    'written when any row is refused. Ops: upsert replaces rows or adds them; insert and bulk_insert add rows and refuse keys that are there,',
    'bulk_insert in the order of their keys or of --sort; delete takes the keys of the input away; insert_overwrite replaces the partitions that',
    'the input touches (and refuses keys of others), insert_overwrite_table all rows; delete_partition takes whole partitions away',
    '(--partitions).',
  ].join('\n'),
  args: [{ name: 'TABLE_URI', help: 'directory of the table (the one that holds .hoodie)', required: true }],
  flags: {
    op: choice({
      help: 'what to do with the rows',
      choices: ['upsert', 'insert', 'bulk_insert', 'delete', 'insert_overwrite', 'insert_overwrite_table', 'delete_partition'],
      default: 'upsert',
    }),
    input: text({ help: 'file with the rows; - is stdin', placeholder: 'FILE' }),
    'input-format': choice({ help: 'format of the input; default: by its ending, jsonl for stdin', choices: ['jsonl', 'csv', 'parquet'] }),
    key: list({ help: 'key columns; needed when the table is created', placeholder: 'A,B' }),
    partition: text({ help: 'partition column of a new table', placeholder: 'COLUMN' }),
    ordering: text({ help: 'ordering column of a new table: the row with the greater value is the newer one', placeholder: 'COLUMN' }),
    types: text({
      help: 'types of columns that the table does not have yet, e.g. price:decimal(10,2),at:timestamp',
      placeholder: 'COLUMN:TYPE,…',
    }),
    partitions: list({ help: 'delete_partition: directories of the partitions, as lake read shows them', placeholder: 'A,B' }),
    'table-type': choice({ help: 'type of a new table: copy-on-write or merge-on-read', choices: ['cow', 'mor'], defaultText: 'cow' }),
    'table-version': choice({ help: 'Hudi table version of a new table: 6 has the most readers', choices: ['6', '9'], defaultText: '6' }),
    'log-blocks': choice({
      help: 'form of the rows in the log files of a merge-on-read table',
      choices: ['parquet', 'avro'],
      default: 'parquet',
    }),
    'log-file-size': size({
      help: 'size of a log file from which on the next rows of its file group go into the next one (hoodie.logfile.max.size)',
      default: 1024 ** 3,
    }),
    name: text({ help: 'name of a new table; default: the last part of its path', placeholder: 'NAME' }),
    buckets: integer({ help: 'file groups per partition of a new table; 0: one per 100 MB of input', default: 0, max: 99_999 }),
    cdc: choice({
      help: 'change logs of a new table (hoodie.table.cdc.supplemental.logging.mode)',
      choices: ['off', 'op_key_only', 'data_before', 'data_before_after'],
      default: 'off',
    }),
    sort: list({ help: 'bulk_insert: columns to sort the rows of new files by; default: the key columns', placeholder: 'A,B' }),
    memory: size({ help: 'memory for the rows; beyond it, they go to a temporary directory', default: 128 * 1024 ** 2 }),
    ...concurrencyFlags,
    ...s3Flags,
  },
  examples: [
    {
      why: 'a new table from JSON lines',
      command: 'lake write ./lake/shop/orders --key order_id --ordering updated_at --types updated_at:timestamp --input orders.jsonl',
    },
    { why: 'from another program', command: 'lake read ./a | lake write ./b --key id --input -' },
    { why: 'rows away by key', command: 'lake write ./lake/shop/orders --op delete --input gone.csv' },
    { why: 'partitions away', command: 'lake write ./lake/shop/orders --op delete_partition --partitions 2025-01-01,2025-01-02' },
  ],
  async run(context) {
    const { runWrite } = await import('./run-write.ts')
    return await runWrite(context)
  },
})
