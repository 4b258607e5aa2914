import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseClusteringPlan, printClusteringPlan } from '../../../src/lake/metadata/clustering-plan.ts'
import { parseCommit, printCommitAvro } from '../../../src/lake/metadata/commit-avro.ts'
import { parseCompactionPlan, printCompactionPlan } from '../../../src/lake/metadata/compaction-plan.ts'
import { goldenFiles } from '../../support/golden-table.ts'

const TABLES = readdirSync(new URL('../../golden/hudi/', import.meta.url)).flatMap((f) => (f.endsWith('.tar.gz') ? [f.slice(0, -7)] : []))

/** Files of all recorded tables whose path fits, with the version of their table. */
function files(pattern: RegExp): [path: string, version: 6 | 9, body: Buffer][] {
  return TABLES.flatMap((name) =>
    [...goldenFiles(name)].flatMap(([path, body]): [string, 6 | 9, Buffer][] =>
      pattern.test(path) ? [[`${name}/${path}`, name.startsWith('v6') ? 6 : 9, body]] : [],
    ),
  )
}

/** The 16 bytes at the end of an Avro file tell its blocks apart; they are random. */
const syncOf = (body: Buffer): Buffer => body.subarray(body.length - 16)

test.each(files(/^\.hoodie\/timeline\/\d+_\d+\.(commit|deltacommit|replacecommit)$/))(
  'what %s records is printed as Spark did',
  (path, _version, body) => {
    const metadata = parseCommit(body, path)
    expect(metadata.extra.get('schema')).toContain('"record"')
    const again = printCommitAvro(metadata, syncOf(body))
    expect(parseCommit(again, path)).toEqual(metadata)
    // A compaction of Spark also says how long it read logs.
    if (metadata.operation !== 'COMPACT') expect(again.equals(body)).toBe(true)
  },
)

test.each(files(/^\.hoodie\/(timeline\/)?\d+\.(compaction|logcompaction)\.requested$/))(
  'the plan in %s is printed as Spark did',
  (path, version, body) => {
    const plan = parseCompactionPlan(body, path)
    expect(plan.operations.length).toBeGreaterThan(0)
    for (const o of plan.operations) expect(o.logFiles.every((f) => f.startsWith(`.${o.fileId}_`))).toBe(true)
    const again = printCompactionPlan(plan, version, syncOf(body))
    expect(parseCompactionPlan(again, path)).toEqual(plan)
    // Spark 0.15 leaves out the entries of a plan that has none when a procedure schedules it, and writes an empty list otherwise.
    const inline = version === 6 && path.includes('clean_archive')
    if (!path.includes('logcompaction') && !inline) expect(again.equals(body)).toBe(true)
  },
)

test.each(files(/^\.hoodie\/(timeline\/)?\d+\.(replacecommit|clustering)\.requested$/))(
  'the plan in %s is printed as Spark did',
  (path, version, body) => {
    const plan = parseClusteringPlan(body, path)
    expect(plan === null).toBe(!path.includes('clustering'))
    // A deletion of partitions also names its operation there.
    if (!body.includes('DELETE_PARTITION')) expect(printClusteringPlan(plan, version, syncOf(body)).equals(body)).toBe(true)
  },
)
