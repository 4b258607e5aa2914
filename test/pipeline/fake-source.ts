import type { ChangeBatch, ChangeSource, ChangeStream, Position, TableSchema } from '../../src/contract/change.ts'
import type { TopicBatch } from '../../src/contract/log.ts'
import type { BatchEncoder } from '../../src/pipeline/batch-encoder.ts'
import { record } from '../conformance/log-data.ts'

/** A change of the fake source: its number is its position. */
export interface FakeBatch {
  readonly from: number
  readonly to: number
  readonly boundary: boolean
  readonly snapshotComplete: boolean
}

const TABLE: TableSchema = { id: { schema: 's', table: 't' }, version: 1, columns: [], key: [], identity: 'default', rowEstimate: 7 }

/** A source that replays a script of batches from any position, and records every acknowledgement. */
export class FakeSource implements ChangeSource {
  readonly acks: string[] = []
  readonly opened: (Position | null)[] = []
  pulls = 0
  closed = 0
  /** Batches up to this index are at hand; then a pull waits until `arrive`. */
  private readonly batches: readonly FakeBatch[]
  private at: number
  private arrived = Promise.withResolvers<void>()

  constructor(batches: readonly FakeBatch[], atHand = batches.length) {
    this.batches = batches
    this.at = atHand
  }

  arrive(count: number): void {
    this.at += count
    this.arrived.resolve()
    this.arrived = Promise.withResolvers<void>()
  }

  async check(): Promise<never[]> {
    return []
  }

  compare(a: Position, b: Position): number {
    return Number(a) - Number(b)
  }

  async close(): Promise<void> {
    this.closed++
  }

  async open(from: Position | null, signal: AbortSignal): Promise<ChangeStream> {
    signal.throwIfAborted()
    this.opened.push(from)
    const over = Promise.withResolvers<null>()
    return {
      batches: this.generate(Number(from ?? -1), over.promise),
      ack: (p) => void this.acks.push(p),
      head: async () => String(this.batches[this.at - 1]?.to ?? 0),
      close: async () => over.resolve(null),
    }
  }

  private async *generate(after: number, over: Promise<null>): AsyncGenerator<ChangeBatch> {
    let closed = false
    void over.then(() => {
      closed = true
    })
    for (const [i, b] of this.batches.entries()) {
      if (b.to <= after) continue
      while (i >= this.at && !closed) await Promise.race([over, this.arrived.promise])
      if (closed) return
      this.pulls++
      yield toBatch(b)
    }
    await over
  }
}

function toBatch(b: FakeBatch): ChangeBatch {
  const count = b.to - b.from
  const none = new Int32Array(0)
  const run = { from: 0, to: count, firstIndex: 0, commit: String(b.to), commitUs: BigInt(b.to), xid: 1n, begins: true, ends: b.boundary }
  const arrays = { table: none, op: new Uint8Array(0), mark: new Uint8Array(0), before: none, after: none, beforeKind: new Uint8Array(0) }
  const places = { placeHi: new Uint32Array(0), placeLo: new Uint32Array(0) }
  const arena = Buffer.from(`${b.from} ${b.to}`)
  const end = { upTo: String(b.to), boundary: b.boundary, snapshotDone: [], snapshotComplete: b.snapshotComplete }
  return { arena, bytes: count * 10, count, tables: [TABLE], ...arrays, ...places, transactions: [run], ...end }
}

/** Writes the change's number as the value. */
export class FakeEncoder implements BatchEncoder {
  prepared = 0

  async prepare(): Promise<void> {
    this.prepared++
  }

  schemasOf(): { keySchema: number; valueSchema: number } {
    return { keySchema: 0, valueSchema: 1 }
  }

  topicOf(): string {
    return 'p.s.t'
  }

  encode(batch: ChangeBatch): TopicBatch[] {
    const [from, to] = batch.arena.toString().split(' ').map(Number) as [number, number]
    if (from === to) return []
    const records: Buffer[] = []
    for (let i = from; i < to; i++) records.push(record(null, Buffer.from(String(i))))
    const runs = [{ count: to - from, commit: String(to), commitUs: BigInt(to) }]
    return [
      {
        topic: 'p.s.t',
        partition: 0,
        count: to - from,
        keySchema: 0,
        valueSchema: 1,
        records: Buffer.concat(records),
        headers: null,
        runs,
      },
    ]
  }
}
