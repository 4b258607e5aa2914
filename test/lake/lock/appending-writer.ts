import type { Clock } from '../../../src/contract/clock.ts'
import type { ObjectStore } from '../../../src/contract/object-store.ts'
import { CommitProtocol } from '../../../src/lake/commit-protocol.ts'
import { bucketFileId, printBaseFileName, writeToken } from '../../../src/lake/layout/file-name.ts'
import { join } from '../../../src/lake/layout/paths.ts'
import type { TableConcurrency } from '../../../src/lake/lock/table-concurrency.ts'
import { baseFileStat, type CommitMetadata, commitMetadata, type WriteStat } from '../../../src/lake/metadata/commit-metadata.ts'
import { createOrOpenTable, tableSchemaText } from '../../../src/lake/open-table.ts'
import { latestBaseFiles } from '../../../src/lake/read/slices.ts'
import { SPEC } from '../trivial-writer.ts'

const SPEC_ONE = { ...SPEC, partition: null }

/** A commit whose files are written, and not completed yet. */
export interface OpenCommit {
  readonly time: string
  readonly metadata: CommitMetadata
}

/**
 * A writer that shares its table: a file is a text, and a commit adds a line to those of its buckets. A lost update is a missing line.
 */
export class AppendingWriter {
  readonly protocol: CommitProtocol
  readonly #store: ObjectStore
  readonly #clock: Clock

  constructor(store: ObjectStore, clock: Clock, sharing: TableConcurrency | null) {
    this.#store = store
    this.#clock = clock
    this.protocol = new CommitProtocol(store, SPEC.path, clock, sharing)
  }

  async create(): Promise<void> {
    await createOrOpenTable(this.#store, SPEC_ONE, this.#clock)
  }

  async stage(buckets: readonly number[], line: string): Promise<OpenCommit> {
    const time = await this.protocol.begin('commit', 'UPSERT')
    const current = await latestBaseFiles(this.protocol.timeline, null)
    const stats: WriteStat[] = []
    for (const bucket of buckets) {
      const old = current.find((f) => Number(f.fileId.slice(0, 8)) === bucket)
      const before = old === undefined ? '' : (await this.#store.get(old.key)).toString()
      const content = `${before}${line}\n`
      const fileId = old?.fileId ?? bucketFileId(bucket, this.#clock.uuid())
      const path = printBaseFileName({ fileId, token: writeToken(bucket, 0, 0), instant: time })
      await this.protocol.mark(time, path, old === undefined ? 'CREATE' : 'MERGE')
      await this.#store.put(join(SPEC.path, path), Buffer.from(content))
      const counts = { rows: 1, inserted: 1, updated: 0, deleted: 0, bytes: content.length, elapsedMs: 0 }
      stats.push(baseFileStat({ fileId, path, partition: '', previous: old?.instant ?? null, ...counts }))
    }
    return { time, metadata: commitMetadata({ operation: 'UPSERT', stats, schema: tableSchemaText(SPEC_ONE), extra: [] }) }
  }

  async finish(open: OpenCommit): Promise<'committed' | 'conflict'> {
    const answer = await this.protocol.complete(open.time, open.metadata)
    if (answer === 'conflict') await this.protocol.abandon(open.time)
    return answer
  }

  async add(buckets: readonly number[], line: string): Promise<'committed' | 'conflict'> {
    return await this.finish(await this.stage(buckets, line))
  }
}

/** Lines of each bucket, as a reader sees them; a bucket with two files fails. */
export async function linesOf(store: ObjectStore, clock: Clock): Promise<Map<number, string[]>> {
  const { timeline } = new CommitProtocol(store, SPEC.path, clock)
  await timeline.refresh()
  const out = new Map<number, string[]>()
  for (const f of await latestBaseFiles(timeline, null)) {
    const bucket = Number(f.fileId.slice(0, 8))
    if (out.has(bucket)) throw new Error(`bucket ${bucket} has two files`)
    out.set(bucket, (await store.get(f.key)).toString().trim().split('\n'))
  }
  return out
}
