import type { ByteSink, ChangeBatch, TransactionRun } from './change.ts'
import type { ConnectSchema } from './connect-schema.ts'

/** How a source describes itself inside the envelope; given by the adapter, so the envelope room knows no database. */
export interface SourceBlock {
  /** Connect schema of `source` (name `io.debezium.connector.postgresql.Source` …). */
  readonly schema: ConnectSchema
  /**
   * Writes the Avro binary of the source struct of change i. `run` is the transaction run that contains i. Called in order. The rows of
   * a snapshot (marks 1–5) of one run, table, mark and place all have the same.
   */
  write(batch: ChangeBatch, i: number, run: TransactionRun, out: ByteSink): void
  /** All changes of the batch were written; called once per batch, also when none of it was. */
  finish?(batch: ChangeBatch): void
  /** Transaction id text for change i (`transaction.id`), e.g. `771:24023128`. */
  transactionId(batch: ChangeBatch, i: number, run: TransactionRun): string
  /** The same for the BEGIN and END records, which no change belongs to. */
  boundaryId?(batch: ChangeBatch, run: TransactionRun, boundary: 'begin' | 'end'): string
}
