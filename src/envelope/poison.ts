import type { StoredBatch } from '../contract/log.ts'
import { Failure } from '../failure/failure.ts'

/** The failure of one record that its decoder does not understand: TRB-INGEST-007, unless it has a better name already. */
export function poison({ topic, partition, baseOffset }: StoredBatch, index: number, e: unknown): Failure {
  if (e instanceof Failure && e.code.startsWith('TRB-INGEST-')) return e
  const reason = e instanceof Failure ? e.explain().what : e instanceof Error ? e.message : String(e)
  return new Failure('TRB-INGEST-007', { topic, partition, offset: baseOffset + index, reason }, e)
}
