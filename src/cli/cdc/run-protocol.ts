import type { Watermark } from '../../contract/table.ts'
import type { FailureCode } from '../../failure/codes.ts'
import { Failure } from '../../failure/failure.ts'
import type { ConcurrencySettings } from '../../lake/lock/table-concurrency.ts'
import type { TableLayout } from '../../pipeline/feed-lake.ts'
import type { FlushPolicy } from '../../pipeline/flush-policy.ts'
import type { TableCommit } from '../../pipeline/table-feed.ts'
import type { Place } from '../open-store.ts'
import type { LakeServicesDone } from './run-lake.ts'
import type { Partitions } from './run-partitions.ts'
import type { ServiceSettings } from './run-services.ts'

/** What the lake thread is started with. */
export interface LakeWork {
  readonly state: string
  readonly lake: Place
  /** Name of the source in the log. */
  readonly source: string
  readonly policy: FlushPolicy
  readonly layout: Pick<TableLayout, 'tableType' | 'tableVersion'>
  readonly partitions: Partitions
  readonly services: ServiceSettings
  /** How its tables are shared with other writers. */
  readonly concurrency: ConcurrencySettings
}

/** To the lake thread. */
export type ToLake = { readonly kind: 'append'; readonly id: number } | { readonly kind: 'drain' } | { readonly kind: 'abort' }

/** From the lake thread. */
export type FromLake =
  | { readonly kind: 'ready' }
  /** `infinite`: times that the lake shows as null. */
  | { readonly kind: 'commit'; readonly commit: TableCommit; readonly tookMs: number; readonly infinite: number }
  | { readonly kind: 'watermark'; readonly watermark: Watermark }
  | { readonly kind: 'service'; readonly path: string; readonly done: LakeServicesDone }
  | { readonly kind: 'warning'; readonly text: string }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly failure: SentFailure }

/** A Failure on its way between threads. */
export interface SentFailure {
  readonly code: FailureCode | null
  readonly details: Readonly<Record<string, string | number | bigint>>
  readonly message: string
  readonly stack: string
}

export function sendFailure(e: unknown): SentFailure {
  const error = e instanceof Error ? e : new Error(String(e))
  const known = e instanceof Failure
  return { code: known ? e.code : null, details: known ? e.details : {}, message: error.message, stack: error.stack ?? '' }
}

export function receiveFailure(sent: SentFailure): Error {
  const error = sent.code === null ? new Error(sent.message) : new Failure(sent.code, sent.details)
  error.stack = sent.stack
  return error
}
