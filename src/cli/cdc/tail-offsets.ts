import type { ChangeBatch, TransactionRun } from '../../contract/change.ts'
import type { OffsetPrinter } from './source-kind.ts'

const MESSAGE_TYPES: Readonly<Record<number, string>> = { 99: 'INSERT', 117: 'UPDATE', 100: 'DELETE', 116: 'TRUNCATE', 109: 'MESSAGE' }

const INCREMENTAL = 6

const BETWEEN_CHANGES: readonly (readonly [string, string])[] = [
  ['last_snapshot_record', 'false'],
  ['snapshot', '"INCREMENTAL"'],
  ['snapshot_completed', 'false'],
]

/** Follows the stream and says what Debezium's `sourceOffset` of a record would be (spec debezium §3.3, correction A.6). */
export class TailOffsets implements OffsetPrinter {
  /** Decimal LSN of the last change, null before the first. */
  #processed: string | null
  #commitEnd: string | null
  readonly #transactions: boolean

  constructor(lastPlace: string | null, commitEnd: string | null, transactions: boolean) {
    this.#processed = lastPlace === null ? null : decimal(lastPlace)
    this.#commitEnd = commitEnd === null ? null : decimal(commitEnd)
    this.#transactions = transactions
  }

  /** Offset of the records of change `i`. `counters`: EnvelopeEncoder.state() behind it. */
  change(batch: ChangeBatch, i: number, run: TransactionRun, counters: string | null): string {
    const lsn = String((BigInt(batch.placeHi[i]) << 32n) | BigInt(batch.placeLo[i]))
    this.#processed = lsn
    const mark = batch.mark[i]
    if (mark === INCREMENTAL) return this.#streamed('INSERT', lsn, run, counters, BETWEEN_CHANGES)
    if (mark !== 0) {
      const last = mark === 5
      return print([
        ['last_snapshot_record', String(last)],
        ['lsn', lsn],
        ['txId', String(run.xid)],
        ['ts_usec', String(run.commitUs)],
        ['snapshot', '"INITIAL"'],
        ['snapshot_completed', String(last)],
      ])
    }
    return this.#streamed(MESSAGE_TYPES[batch.op[i]] ?? 'INSERT', lsn, run, counters)
  }

  /** Offset of a BEGIN record, before its first change. */
  begin(batch: ChangeBatch, i: number, run: TransactionRun): string {
    const lsn = i < 0 ? decimal(run.commitEnd ?? run.commit) : String((BigInt(batch.placeHi[i]) << 32n) | BigInt(batch.placeLo[i]))
    return this.#streamed('BEGIN', lsn, run, null)
  }

  /** Offset of an END record. */
  end(run: TransactionRun, counters: string | null): string {
    const lsn = decimal(run.commitEnd ?? run.commit)
    this.#processed = lsn
    this.#commitEnd = lsn
    return this.#streamed('COMMIT', lsn, run, counters)
  }

  /** The snapshot is done, or one without rows was seen. */
  snapshot(commit: string): void {
    this.#processed ??= decimal(commit)
  }

  /** A transaction ended (whether or not there is an END record). */
  left(run: TransactionRun): void {
    this.#commitEnd = decimal(run.commitEnd ?? run.commit)
  }

  #streamed(
    type: string,
    lsn: string,
    run: TransactionRun,
    counters: string | null,
    more: readonly (readonly [string, string])[] = [],
  ): string {
    const fields: (readonly [string, string])[] = [...more]
    const apart = run.xid === null
    if (apart) this.#commitEnd = lsn
    if (this.#transactions && !apart) fields.push(['transaction_id', `"${run.xid}"`])
    if (this.#processed !== null) fields.push(['lsn_proc', this.#processed])
    fields.push(['messageType', `"${type}"`])
    if (this.#commitEnd !== null) fields.push(['lsn_commit', this.#commitEnd])
    fields.push(['lsn', lsn])
    if (!apart) fields.push(['txId', String(run.xid)])
    const { counts } = counters === null ? { counts: [] } : (JSON.parse(counters) as { counts: [string, number][] })
    for (const [collection, count] of counts) fields.push([`transaction_data_collection_order_${collection}`, String(count)])
    fields.push(['ts_usec', String(run.commitUs)])
    return print(fields)
  }
}

/** Values are JSON texts already: LSNs and µs may be beyond what a JS number holds. */
function print(fields: readonly (readonly [string, string])[]): string {
  return `{${fields.map(([k, v]) => `${JSON.stringify(k)}:${v}`).join(',')}}`
}

/** `16/B374D848` → decimal text. */
function decimal(lsn: string): string {
  const [hi, lo] = lsn.split('/')
  return String((BigInt(`0x${hi}`) << 32n) | BigInt(`0x${lo}`))
}
