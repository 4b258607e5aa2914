import type { MysqlBatch, MysqlRun } from '../../capture/mysql/batch.ts'
import { parsePoint } from '../../capture/mysql/position.ts'
import type { ChangeBatch, TransactionRun } from '../../contract/change.ts'
import type { OffsetPrinter } from './source-kind.ts'

const LAST = 5
const INCREMENTAL = 6
const TRUNCATE = 116

/** Debezium's `sourceOffset` of MySQL and MariaDB (spec debezium §3.3, corrections A.6): the transaction's begin and what of it is done. */
export class MysqlOffsets implements OffsetPrinter {
  readonly #transactions: boolean
  #event = 0

  constructor(transactions: boolean) {
    this.#transactions = transactions
  }

  change(batch: ChangeBatch, i: number, run: TransactionRun, counters: string | null): string {
    const b = batch as MysqlBatch
    const incremental = batch.mark[i] === INCREMENTAL
    if (batch.mark[i] !== 0 && (!incremental || b.eventOf[i] < 0)) {
      const point = parsePoint(run.commit)
      const fields = place(run.commitUs, point?.file ?? '', point?.pos ?? 0, point?.gtids ?? null)
      if (batch.mark[i] !== LAST) fields.push(['snapshot', incremental ? '"INCREMENTAL"' : '"INITIAL"'])
      return print(fields)
    }
    const event = b.eventOf[i]
    this.#event = b.events.index[event]
    const done: [string, string][] = batch.op[i] === TRUNCATE ? [] : [['row', String(b.rowOf[i] + 1)]]
    const after: [string, string][] = incremental ? [['snapshot', '"INCREMENTAL"']] : []
    return this.#streamed(run, done, batch.op[i] === TRUNCATE ? [] : [['event', String(this.#event)], ...after], counters)
  }

  begin(_batch: ChangeBatch, _i: number, run: TransactionRun): string {
    this.#event = 0
    return this.#streamed(run, [], [], null)
  }

  end(run: TransactionRun, counters: string | null): string {
    return this.#streamed(run, [], [['event', String(this.#event + 1)]], counters)
  }

  snapshot(): void {
    this.#event = 0
  }

  left(): void {
    this.#event = 0
  }

  #streamed(run: TransactionRun, row: [string, string][], event: [string, string][], counters: string | null): string {
    const { info } = run as MysqlRun
    const id = info.gtid ?? `file=${info.file},pos=${info.beginPos}`
    const fields = [
      ...(this.#transactions ? [['transaction_id', JSON.stringify(id)] as [string, string]] : []),
      ...place(run.commitUs, info.file, info.beginPos, info.gtidsBefore),
      ...row,
    ]
    const { counts } = counters === null ? { counts: [] } : (JSON.parse(counters) as { counts: [string, number][] })
    for (const [collection, count] of counts) fields.push([`transaction_data_collection_order_${collection}`, String(count)])
    return print([...fields, ['server_id', String(info.serverId)], ...event])
  }
}

function place(us: bigint, file: string, pos: number, gtids: string | null): [string, string][] {
  const fields: [string, string][] = [
    ['ts_sec', String(us / 1000000n)],
    ['file', JSON.stringify(file)],
    ['pos', String(pos)],
  ]
  if (gtids !== null) fields.push(['gtids', JSON.stringify(gtids)])
  return fields
}

/** Values are JSON texts already. */
function print(fields: readonly (readonly [string, string])[]): string {
  return `{${fields.map(([k, v]) => `${JSON.stringify(k)}:${v}`).join(',')}}`
}
