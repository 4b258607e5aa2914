import type { BytesVector, LakeColumn, RowChanges } from '../../src/contract/columns.ts'
import type { StoredBatch, TopicTable } from '../../src/contract/log.ts'
import type { Checkpoint, Staged, TableSpec, TableWriter, Watermark, WatermarkStore } from '../../src/contract/table.ts'
import { RecordReader } from '../../src/format/record-batch/reader.ts'
import type { FeedLake, RowSource } from '../../src/pipeline/feed-lake.ts'

/** The process is gone: whatever was not durable is lost. */
export class Crash extends Error {}

export interface FakeCommit {
  readonly instant: string
  readonly checkpoint: Checkpoint
  /** Values applied by this commit. */
  readonly values: readonly string[]
}

export interface FakeTable {
  readonly spec: TableSpec
  columns: string[]
  readonly commits: FakeCommit[]
}

/** A lake that survives crashes; `crashIn` steps from now its process dies (each call has a step before and one after its effect). */
export class FakeLake implements FeedLake {
  readonly root = 'fake'
  readonly tables = new Map<string, FakeTable>()
  readonly marks: Watermark[] = []
  crashIn = Number.POSITIVE_INFINITY
  /** The next commits that another writer gets in the way of. */
  conflicts = 0
  /** Paths that got their services, with the number of commits and watermarks at that moment. */
  readonly maintained: string[] = []
  private instants = 0

  readonly watermarks: WatermarkStore = {
    append: async (w) => {
      this.step()
      const mark = { ...w, seq: this.marks.length + 1, writtenMs: 0 }
      this.marks.push(mark)
      this.step()
      return mark
    },
    newest: async () => this.marks.at(-1) ?? null,
    list: () => this.listMarks(),
  }

  step(): void {
    if (--this.crashIn < 0) throw new Crash()
  }

  pathOf(t: TopicTable): string {
    return `${t.database}/${t.table.schema}/${t.table.table}`
  }

  async open(path: string): Promise<TableWriter | null> {
    this.step()
    const table = this.tables.get(path)
    return table === undefined ? null : this.writer(table)
  }

  async maintain(path: string): Promise<void> {
    this.step()
    this.maintained.push(`${path} ${this.tables.get(path)!.commits.length} ${this.marks.length}`)
  }

  async create(spec: TableSpec): Promise<TableWriter> {
    this.step()
    if (this.tables.has(spec.path)) throw new Error(`${spec.path} exists`)
    const table = { spec, columns: spec.columns.map((c) => c.name), commits: [] }
    this.tables.set(spec.path, table)
    this.step()
    return this.writer(table)
  }

  /** Values of a table as of an instant. */
  valuesAt(path: string, instant: string | null): string[] {
    if (instant === null) return []
    return this.tables
      .get(path)!
      .commits.filter((c) => c.instant <= instant)
      .flatMap((c) => c.values)
  }

  private async *listMarks(): AsyncGenerator<Watermark> {
    for (const m of [...this.marks].reverse()) yield m
  }

  private writer(table: FakeTable): TableWriter {
    const staged = new Map<Staged, string[]>()
    return {
      spec: table.spec,
      checkpoint: async () => table.commits.at(-1)?.checkpoint ?? null,
      instant: async () => table.commits.at(-1)?.instant ?? null,
      evolve: async (columns) => {
        this.step()
        table.columns = [...new Set([...table.columns, ...columns.map((c) => c.name)])]
        this.step()
      },
      stage: async (changes) => {
        this.step()
        const values: string[] = []
        for await (const chunk of changes) values.push(...readValues(chunk, table.columns))
        const s = { instant: String(++this.instants).padStart(6, '0'), counts: { inserted: values.length, updated: 0, deleted: 0 } }
        staged.set(s, values)
        this.step()
        return s
      },
      commit: async (s, checkpoint) => {
        this.step()
        if (this.conflicts > 0) {
          this.conflicts--
          return 'conflict'
        }
        const newest = table.commits.at(-1)?.checkpoint ?? null
        const merged = typeof checkpoint === 'function' ? checkpoint(newest) : checkpoint
        if (merged === null) return 'conflict'
        table.commits.push({ instant: s.instant, checkpoint: merged, values: staged.get(s)! })
        this.step()
        return 'committed'
      },
      abandon: async (s) => {
        staged.delete(s)
        this.step()
      },
    }
  }
}

/** Schema texts are column lists (`a,b`); rows carry the record's value bytes in their first column. */
export const fakeRows: RowSource = {
  shape: (keySchema, valueSchema) => ({ columns: columnsOf(valueSchema), key: keySchema === null ? [] : keySchema.split(',') }),
  *rows(batches, from, schema) {
    for (const b of batches) yield chunkOf(b, from, schema(b.valueSchema))
  },
}

function columnsOf(text: string): LakeColumn[] {
  return text.split(',').map((name) => ({ name, type: { kind: 'string' } }))
}

function chunkOf(batch: StoredBatch, from: number, schema: string): RowChanges {
  const reader = new RecordReader()
  reader.open(batch.records, batch.count)
  const parts: Buffer[] = []
  const offsets = [0]
  for (let i = 0; reader.next(); i++) {
    if (batch.baseOffset + i < from) continue
    parts.push(Buffer.from(reader.buf.subarray(reader.valueStart, reader.valueEnd)))
    offsets.push(offsets.at(-1)! + parts.at(-1)!.length)
  }
  const vector: BytesVector = { kind: 'bytes', data: Buffer.concat(parts), offsets: Int32Array.from(offsets), valid: null }
  const columns = columnsOf(schema)
  const shared = { columns, count: parts.length, before: null, bytes: vector.data.length }
  return { ...shared, op: new Uint8Array(parts.length).fill(99), vectors: [vector], unavailable: columns.map(() => null) }
}

function readValues(chunk: RowChanges, columns: readonly string[]): string[] {
  for (const c of chunk.columns) if (!columns.includes(c.name)) throw new Error(`the table has no column ${c.name}`)
  const v = chunk.vectors[0] as BytesVector
  return Array.from({ length: chunk.count }, (_, i) => v.data.toString('utf8', v.offsets[i], v.offsets[i + 1]))
}
