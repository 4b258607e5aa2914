import type { WriteGuard } from '../../contract/object-store.ts'

/** Creates and replaces objects on condition; how, depends on what the service can do. */
export interface S3Writes {
  create(key: string, body: Uint8Array, guard?: WriteGuard): Promise<'created' | 'exists'>
  replace(key: string, body: Uint8Array, tag: string): Promise<'replaced' | 'stale'>
  /** Whether a finished multipart upload may appear under the key on condition that there is nothing. */
  readonly conditional: boolean
}
