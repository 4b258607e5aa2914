import { readFileSync } from 'node:fs'
import type { StoredBatch } from '../../src/contract/log.ts'
import { GrowableSink } from '../../src/format/bytes/growable-sink.ts'
import { writeBlob, writeNullBlob, writeTimestamp } from '../../src/format/record-batch/writer.ts'

const ROOT = new URL('../golden/debezium/postgres/', import.meta.url)

/** Scenarios recorded from the real Debezium that are kept in this repository. */
export const SCENARIOS = [
  'defaults',
  'pg17_basic',
  'pk_change',
  'replica_identity',
  'restart_mid_tx',
  'schema_change',
  'snapshot_markers',
  'snapshot_markers_single',
  'toast',
  'tombstones_off',
  'truncate',
  'truncate_default',
  'tx_metadata',
  'types_arrays',
  'types_numeric_precise',
  'types_temporal_adaptive',
  'types_text_misc',
]

export interface GoldenAvro {
  readonly n: number
  readonly topic: string
  readonly key: { readonly schema: number; readonly hex: string } | null
  readonly value: { readonly schema: number; readonly hex: string } | null
}

export interface GoldenEvent {
  readonly n: number
  readonly topic: string
  readonly key: string | null
  readonly value: string | null
}

function lines<T>(scenario: string, file: string): T[] {
  return readFileSync(new URL(`${scenario}/${file}`, ROOT), 'utf8')
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l))
}

export const goldenAvro = (scenario: string): GoldenAvro[] => lines(scenario, 'avro.jsonl')
export const goldenEvents = (scenario: string): GoldenEvent[] => lines(scenario, 'events.jsonl')

/** Schema id → Avro text. */
export function goldenSchemas(scenario: string): Map<number, string> {
  return new Map(lines<{ id: number; schema: string }>(scenario, 'avro-schemas.jsonl').map((s) => [s.id, s.schema]))
}

/** Debezium's own Avro records as log batches, one per record, by topic. */
export function goldenBatches(scenario: string): Map<string, StoredBatch[]> {
  const byTopic = new Map<string, StoredBatch[]>()
  for (const r of goldenAvro(scenario)) {
    const list = byTopic.get(r.topic) ?? []
    byTopic.set(r.topic, list)
    const previous = list.at(-1)
    list.push({
      topic: r.topic,
      partition: 0,
      count: 1,
      keySchema: r.key?.schema ?? 0,
      valueSchema: r.value?.schema ?? previous?.valueSchema ?? 0,
      records: recordOf(r),
      headers: null,
      runs: [{ count: 1, commit: `0/${r.n + 1}`, commitUs: BigInt(r.n) }],
      baseOffset: list.length,
      appendId: r.n,
    })
  }
  return byTopic
}

function recordOf(r: GoldenAvro): Buffer {
  const out = new GrowableSink(4096)
  writeTimestamp(out, 1)
  for (const part of [r.key, r.value]) {
    if (part === null) writeNullBlob(out)
    else {
      const wire = Buffer.alloc(5)
      wire.writeInt32BE(part.schema, 1)
      writeBlob(out, Buffer.concat([wire, Buffer.from(part.hex, 'hex')]))
    }
  }
  writeNullBlob(out)
  writeNullBlob(out)
  return out.copy()
}
