import type { ChangeBatch, TransactionRun } from '../../contract/change.ts'

/** One change (or the end of a transaction) of a batch, as a batch of its own: so records come out in the order of the source. */
export interface Piece {
  readonly batch: ChangeBatch
  /** Ordinal of the change in `batch`, −1 for a boundary alone. */
  readonly index: number
  readonly run: TransactionRun
}

/** Cuts a batch into pieces; BEGIN goes with the first change, END is a piece of its own. */
export function* pieces(whole: ChangeBatch): Generator<Piece, void, void> {
  const batch = whole.heartbeat === true ? { ...whole, heartbeat: false } : whole
  for (const run of batch.transactions) {
    if (run.from === run.to) {
      yield { batch: { ...batch, transactions: [run] }, index: -1, run }
      continue
    }
    for (let i = run.from; i < run.to; i++) {
      const one = {
        ...run,
        from: i,
        to: i + 1,
        firstIndex: run.firstIndex + i - run.from,
        begins: run.begins && i === run.from,
        ends: false,
      }
      yield { batch: { ...batch, transactions: [one] }, index: i, run }
    }
    if (!run.ends || batch.mark[run.from] !== 0) continue
    const end = { ...run, from: run.to, to: run.to, begins: false }
    yield { batch: { ...batch, transactions: [end], snapshotDone: [] }, index: -1, run }
  }
}
