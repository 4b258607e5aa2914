import { formatInstant } from '../../../timeline/instant.ts'
import type { InstantFile } from '../../../timeline/name.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import { Failure } from '../../failure/failure.ts'
import { readAvroContent } from '../../format/hudi-log/avro-content.ts'
import { LogReader } from '../../format/hudi-log/reader.ts'
import { avroContent, printBlock } from '../../format/hudi-log/writer.ts'
import { decodeRecord, encodeRecord, readContainer } from './avro-container.ts'
import { ARCHIVED_ENTRY } from './schemas/archived-entry.ts'

/**
 * The archived timeline of layout 1: log files of Avro blocks with HoodieArchivedMetaEntry, header SCHEMA only. Every state of an instant is an
 * entry, so one instant is two or three of them. What an instant's file held is in the field of its kind.
 */
export interface ArchivedEntry {
  readonly time: string
  /** As the file was named: a completed compaction is a `commit`. */
  readonly action: string
  readonly state: 'requested' | 'inflight' | 'completed'
  readonly record: Readonly<Record<string, unknown>>
}

/** A file of the active timeline that goes into the archive. */
export interface ArchivedFile {
  readonly file: InstantFile
  readonly body: Buffer
  /** When it appeared, ms since epoch. */
  readonly modifiedMs: number
}

/** One archive file of these entries, in order. */
export function printArchive(files: readonly ArchivedFile[], key: (f: InstantFile) => string): Buffer {
  const datums = files.map((f) => encodeRecord(ARCHIVED_ENTRY, entryOf(f, key(f.file))))
  return Buffer.concat(printBlock('avro', new Map([['schema', ARCHIVED_ENTRY]]), [avroContent(datums)]))
}

/** The entries of an archive file of ours or of Hudi. A damaged one fails with TRB-LAKE-020. */
export async function* readArchive(store: Pick<ObjectStore, 'range'>, key: string, size: number): AsyncGenerator<ArchivedEntry> {
  const reader = new LogReader(store, key, size)
  for await (const block of reader.blocks()) {
    if (block.kind === 'damaged') throw new Failure('TRB-LAKE-020', { file: key, at: block.at, problem: block.problem })
    const schema = block.header.get('schema')
    if (block.type !== 'avro' || schema === undefined) throw new Failure('TRB-LAKE-004', { file: key })
    const content = await reader.content(block)
    const { count, start, end } = readAvroContent(content, key, block.at)
    for (let i = 0; i < count; i++) {
      const record = decodeRecord(schema, content.subarray(start[i], end[i]), key) as Record<string, unknown>
      const { commitTime, actionType, actionState } = record
      const state = typeof actionState === 'string' ? STATES.get(actionState) : undefined
      if (typeof commitTime !== 'string' || typeof actionType !== 'string' || state === undefined)
        throw new Failure('TRB-LAKE-004', { file: key })
      yield { time: commitTime, action: actionType, state, record }
    }
  }
}

const STATES = new Map<string, ArchivedEntry['state']>([
  ['REQUESTED', 'requested'],
  ['INFLIGHT', 'inflight'],
  ['COMPLETED', 'completed'],
])

const NOTHING: Readonly<Record<string, unknown>> = {
  hoodieCommitMetadata: null,
  hoodieCleanMetadata: null,
  hoodieCompactionMetadata: null,
  hoodieRollbackMetadata: null,
  hoodieSavePointMetadata: null,
  commitTime: null,
  actionType: null,
  version: null,
  hoodieCompactionPlan: null,
  hoodieCleanerPlan: null,
  actionState: null,
  hoodieReplaceCommitMetadata: null,
  hoodieRequestedReplaceMetadata: null,
  HoodieInflightReplaceMetadata: null,
  hoodieIndexCommitMetadata: null,
  stateTransitionTime: null,
}

function entryOf(f: ArchivedFile, key: string): Record<string, unknown> {
  const { time, action, state } = f.file
  const common = {
    ...NOTHING,
    commitTime: time,
    actionType: action,
    actionState: state.toUpperCase(),
    stateTransitionTime: formatInstant(f.modifiedMs),
  }
  const field = fieldOf(f.file)
  return field === null ? common : { ...common, [field]: contentOf(field, f.body, key) }
}

/** The field that holds what a file says; null: nothing is kept of it. */
function fieldOf({ action, state }: InstantFile): string | null {
  const done = state === 'completed'
  switch (action) {
    case 'commit':
    case 'deltacommit':
      return 'hoodieCommitMetadata'
    case 'replacecommit':
      if (done) return 'hoodieReplaceCommitMetadata'
      return state === 'requested' ? 'hoodieRequestedReplaceMetadata' : 'HoodieInflightReplaceMetadata'
    case 'clean':
      return done ? 'hoodieCleanMetadata' : 'hoodieCleanerPlan'
    case 'rollback':
      return done ? 'hoodieRollbackMetadata' : null
    case 'compaction':
    case 'logcompaction':
      return state === 'requested' ? 'hoodieCompactionPlan' : null
    default:
      throw new Failure('TRB-LAKE-004', { file: `${action}.${state}` })
  }
}

const JSON_FIELDS: ReadonlySet<string> = new Set(['hoodieCommitMetadata', 'hoodieReplaceCommitMetadata', 'HoodieInflightReplaceMetadata'])

function contentOf(field: string, body: Buffer, key: string): unknown {
  if (JSON_FIELDS.has(field)) return commitRecord(body, field === 'hoodieReplaceCommitMetadata', key)
  return body.length === 0 ? null : readContainer(body, key)
}

const STAT_FIELDS = [
  'fileId',
  'path',
  'prevCommit',
  'numWrites',
  'numDeletes',
  'numUpdateWrites',
  'totalWriteBytes',
  'totalWriteErrors',
  'partitionPath',
  'totalLogRecords',
  'totalLogFiles',
  'totalUpdatedRecordsCompacted',
  'numInserts',
  'totalLogBlocks',
  'totalCorruptLogBlock',
  'totalRollbackBlocks',
  'fileSizeInBytes',
] as const

/** HoodieCommitMetadata or HoodieReplaceCommitMetadata of the archive, which keep less per file than the JSON. */
function commitRecord(body: Buffer, replace: boolean, key: string): Record<string, unknown> {
  const json = body.length === 0 ? {} : parse(body, key)
  const partitions = Object.entries(json.partitionToWriteStats ?? {}).map(([partition, stats]) => [
    partition,
    stats.map((s) => Object.fromEntries(STAT_FIELDS.map((name) => [name, s[name] ?? null]))),
  ])
  const extra = Object.entries(json.extraMetadata ?? {}).filter(([, value]) => typeof value === 'string')
  return {
    partitionToWriteStats: Object.fromEntries(partitions),
    // Hudi empties this entry, which used to hold statistics over all commits.
    extraMetadata: { ...Object.fromEntries(extra), ROLLING_STAT: '' },
    version: null,
    operationType: json.operationType ?? 'UNKNOWN',
    ...(replace ? { partitionToReplaceFileIds: json.partitionToReplaceFileIds ?? {} } : {}),
  }
}

interface CommitJson {
  readonly partitionToWriteStats?: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>> | null
  readonly extraMetadata?: Readonly<Record<string, unknown>> | null
  readonly operationType?: string | null
  readonly partitionToReplaceFileIds?: Readonly<Record<string, readonly string[]>> | null
}

function parse(body: Buffer, key: string): CommitJson {
  try {
    return JSON.parse(body.toString('utf8')) as CommitJson
  } catch (e) {
    throw new Failure('TRB-LAKE-004', { file: key }, e)
  }
}
