import type { SentFailure } from './run-protocol.ts'

/** What the ingest thread is started with. */
export interface IngestWork {
  readonly command: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly flags: Readonly<Record<string, unknown>>
}

/** From the ingest thread. To it goes one message, whatever it holds: drain. */
export type FromIngest =
  | { readonly kind: 'log'; readonly text: string }
  | { readonly kind: 'commit'; readonly path: string; readonly instant: string; readonly records: number }
  | { readonly kind: 'done'; readonly records: number; readonly commits: number }
  | { readonly kind: 'failed'; readonly failure: SentFailure }
