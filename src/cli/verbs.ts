import type { Program } from './verb.ts'

/** A new verb is a file here and a line below; the file is loaded only when the verb is used. */
export const CDC: Program = {
  name: 'cdc',
  summary: 'captures changes of a database and writes them to the log and the lake',
  verbs: [
    { name: 'run', summary: 'capture changes into the log and the lake until stopped', load: () => import('./cdc/run.ts') },
    { name: 'tail', summary: 'print change events on stdout', load: () => import('./cdc/tail.ts') },
    { name: 'doctor', summary: 'check that the source is ready; every ✗ comes with its fix', load: () => import('./cdc/doctor.ts') },
    { name: 'status', summary: 'show the position, the topics and how far the lake is', load: () => import('./cdc/status.ts') },
    { name: 'offsets', summary: 'show, export, import or reset the position in the source', load: () => import('./cdc/offsets.ts') },
    {
      name: 'signal',
      summary: 'ask something of a run: a snapshot of single tables, a pause, a message',
      load: () => import('./cdc/signal.ts'),
    },
    { name: 'verify', summary: 'compare every lake table with the database', load: () => import('./cdc/verify.ts') },
    { name: 'registry', summary: 'serve a schema registry with the API of Confluent', load: () => import('./cdc/registry.ts') },
  ],
}

export const LAKE: Program = {
  name: 'lake',
  summary: 'reads the tables of a lake',
  verbs: [
    { name: 'query', summary: 'run SQL over the lake, as of now or of any time or position', load: () => import('./lake/query.ts') },
    { name: 'read', summary: 'print the rows of one Hudi table, whoever wrote it', load: () => import('./lake/read.ts') },
    { name: 'write', summary: 'write rows from a file into a Hudi table', load: () => import('./lake/write.ts') },
    { name: 'ingest', summary: 'bring topics of change events from Kafka into the lake', load: () => import('./lake/ingest.ts') },
    { name: 'tables', summary: 'list the tables of the lake', load: () => import('./lake/tables.ts') },
    { name: 'timeline', summary: 'show the instants of a table', load: () => import('./lake/timeline.ts') },
    { name: 'history', summary: 'show every version of a row', load: () => import('./lake/history.ts') },
    { name: 'diff', summary: 'compare two states of a table', load: () => import('./lake/diff.ts') },
    { name: 'verify', summary: 'prove that a table is sound', load: () => import('./lake/verify.ts') },
    { name: 'compact', summary: 'merge log files into base files', load: () => import('./lake/compact.ts') },
    { name: 'cluster', summary: 'rewrite file groups: sorted, or small ones together', load: () => import('./lake/cluster.ts') },
    { name: 'clean', summary: 'take away file versions that no retained state needs', load: () => import('./lake/clean.ts') },
    { name: 'archive', summary: 'move old instants into the archive', load: () => import('./lake/archive.ts') },
    { name: 'rollback', summary: 'take a failed write, or the newest commit, back', load: () => import('./lake/rollback.ts') },
    { name: 'savepoint', summary: 'keep the state at a commit for a restore', load: () => import('./lake/savepoint.ts') },
    { name: 'restore', summary: 'take a table back to a savepoint', load: () => import('./lake/restore.ts') },
  ],
}

/** Names of the flags of every verb of both programs: what a settings file may hold. */
export async function allFlagNames(): Promise<ReadonlySet<string>> {
  const verbs = await Promise.all([...CDC.verbs, ...LAKE.verbs].map((v) => v.load()))
  return new Set(['json', ...verbs.flatMap((v) => Object.keys(v.verb.flags))])
}
