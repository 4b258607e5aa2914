import { lakeFlag, stateFlag } from '../defaults.ts'
import { bool, choice, integer, size, text } from '../flag.ts'
import { cacheFlags, s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'

export const verb = defineVerb({
  description: [
    'Runs one SELECT (the SQL of DuckDB) over the tables of the lake. Every table is there as schema.table, and as table where that name',
    'is unique. All tables are read at one state of the source, so joins are consistent. With --as-of the state is that after the last',
    'transaction committed at or before a time or position; when the embedded log (--state) still holds the records between the nearest',
    'commit of the lake and that point, the answer is exact, else it is that of the commit and stderr says so. The query can reach',
    'nothing but the chosen files: no other file, no network, no settings.',
  ].join('\n'),
  args: [{ name: 'SQL', help: 'one SELECT, in quotes', required: true }],
  flags: {
    lake: lakeFlag,
    'as-of': text({
      help: 'time (2026-11-21T10:00:00Z), time back from now (-15m), lake instant (17 digits), commit:-1, or lsn:16/B374D848, binlog:FILE:BYTE, gtid:GTID',
      placeholder: 'X',
    }),
    exact: bool({ help: 'fail unless the state asked for is reached exactly' }),
    state: stateFlag,
    format: choice({ help: 'form of the answer', choices: ['table', 'json', 'jsonl', 'csv', 'parquet'], default: 'table' }),
    output: text({ help: 'write the answer to this file instead of stdout', placeholder: 'FILE' }),
    'max-rows': integer({ help: 'rows that --format table shows; 0 shows all', default: 1000 }),
    meta: bool({ help: "show Hudi's columns (_hoodie_…) and the change columns (_event_lsn …) too" }),
    explain: bool({ help: 'show the files that would be read, and their sizes, instead of the answer' }),
    memory: size({ help: 'memory for the query; beyond it, it spills to a temporary directory', default: 1024 ** 3 }),
    threads: integer({ help: 'threads of the query', default: 2, min: 1, max: 256 }),
    ...s3Flags,
    ...cacheFlags,
  },
  examples: [
    { why: 'now', command: "lake query 'SELECT status, count(*) n FROM shop.orders GROUP BY 1'" },
    {
      why: 'as it was a quarter of an hour ago, across tables',
      command: "lake query 'SELECT * FROM orders JOIN customers USING (customer_id)' --as-of -15m",
    },
    { why: 'exactly after the transaction at an LSN', command: "lake query 'SELECT * FROM shop.orders' --as-of lsn:16/B374D848 --exact" },
    { why: 'into a file', command: "lake query 'SELECT * FROM shop.orders' --format parquet --output orders.parquet" },
  ],
  async run(context) {
    const { runQuery } = await import('./run-query.ts')
    return await runQuery(context)
  },
})
