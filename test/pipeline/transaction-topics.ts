import type { StoredBatch } from '../../src/contract/log.ts'
import type { PartitionedLog, PartitionRange } from '../../src/contract/partitioned-log.ts'
import type { Watermark } from '../../src/contract/table.ts'
import { GrowableSink } from '../../src/format/bytes/growable-sink.ts'
import { writeBlob, writeNullBlob, writeTimestamp } from '../../src/format/record-batch/writer.ts'
import type { Cut } from '../../src/pipeline/ingest-cuts.ts'
import { TransactionCuts } from '../../src/pipeline/transaction-cuts.ts'

export const TRANSACTIONS = 'p.transaction'

/**
 * One event of a table's topic: its transaction and its place among the table's events of it; no id: a row of a snapshot, or (order 0) a
 * change that does not say it.
 */
export interface Event {
  readonly id: string | null
  readonly order: number
}

/** Topics as Debezium writes them (JSON without schemas), of which brokers have got so much by now. */
export class TransactionTopics {
  readonly partitions = new Map<string, (Event | 'tombstone')[]>()
  readonly marks: string[] = []
  readonly starts = new Map<string, number>()

  add(topic: string, partition: number, ...events: (Event | 'tombstone')[]): void {
    const key = `${topic} ${partition}`
    this.partitions.set(key, [...(this.partitions.get(key) ?? []), ...events])
  }

  begin(id: string): void {
    this.marks.push(JSON.stringify({ status: 'BEGIN', id, event_count: null, data_collections: null, ts_ms: 1 }))
  }

  /** Counts by `schema.table`. */
  end(id: string, counts: Readonly<Record<string, number>>): void {
    const collections = Object.entries(counts).map(([data_collection, event_count]) => ({ data_collection, event_count }))
    this.marks.push(JSON.stringify({ status: 'END', id, event_count: 0, data_collections: collections, ts_ms: 7 }))
  }

  ranges(): PartitionRange[] {
    const end = this.marks.length
    const range = (topic: string, partition: number, length: number): PartitionRange => {
      return { topic, partition, start: this.starts.get(`${topic} ${partition}`) ?? 0, end: length }
    }
    return [
      ...[...this.partitions].map(([key, e]) => range(key.split(' ')[0]!, Number(key.split(' ')[1]), e.length)),
      range(TRANSACTIONS, 0, end),
    ]
  }

  /** A reader of all partitions; `offsets`: where the tables are. */
  open(
    more: Partial<ConstructorParameters<typeof TransactionCuts>[0]> = {},
    offsets: ReadonlyMap<string, number> = new Map(),
  ): TransactionCuts {
    const cuts = new TransactionCuts({
      log: this.log,
      topic: TRANSACTIONS,
      source: 'g',
      schema: () => Promise.reject(new Error('no Avro here')),
      wanted: () => true,
      newest: null,
      exact: null,
      limit: 1000,
      signal: new AbortController().signal,
      onWarning: () => undefined,
      ...more,
    })
    const parts = [...this.partitions.keys()].map((k) => ({ topic: k.split(' ')[0]!, partition: Number(k.split(' ')[1]) }))
    cuts.assigned(parts)
    for (const { topic, partition } of parts) cuts.start(topic, partition, offsets.get(`${topic} ${partition}`) ?? 0)
    return cuts
  }

  get log(): PartitionedLog {
    const read = (topic: string, partition: number, from: number, to: number) => this.#read(topic, partition, from, to)
    return { read } as unknown as PartitionedLog
  }

  async *#read(topic: string, partition: number, from: number, to: number): AsyncGenerator<StoredBatch> {
    const texts = topic === TRANSACTIONS ? this.marks : (this.partitions.get(`${topic} ${partition}`) ?? []).map(valueText)
    for (let at = from; at < to; at += 3) {
      const some = texts.slice(at, Math.min(to, at + 3))
      const out = new GrowableSink()
      for (const text of some) {
        writeTimestamp(out, 1)
        writeNullBlob(out)
        if (text === null) writeNullBlob(out)
        else writeBlob(out, Buffer.from(text))
        writeNullBlob(out)
        writeNullBlob(out)
      }
      const schemas = { keySchema: 0, valueSchema: -1, headers: null, runs: [{ count: some.length, commit: '', commitUs: 0n }] }
      yield { topic, partition, count: some.length, baseOffset: at, appendId: 0, records: out.take(), ...schemas }
    }
  }
}

function valueText(e: Event | 'tombstone'): string | null {
  if (e === 'tombstone') return null
  const transaction = e.id === null ? null : { id: e.id, total_order: 1, data_collection_order: e.order }
  return JSON.stringify({ before: null, after: {}, source: {}, op: e.id === null && e.order > 0 ? 'r' : 'c', transaction })
}

/** The watermark of a cut that is a state, as it is found when the newest of all has this id. */
export function watermarkAt({ place, info }: Cut, appendId: number): Watermark {
  const { commit, commitUs } = info.cursor
  if (place === undefined || commit === null || commitUs === null) throw new Error('no state')
  return { seq: 1, source: 'g', commit, commitUs, writtenMs: 0, appendId, tables: [], cut: place }
}
