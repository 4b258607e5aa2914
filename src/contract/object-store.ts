export interface ObjectInfo {
  readonly key: string
  readonly size: number
  /** Opaque version for replaceIfTag. */
  readonly tag: string
  readonly modifiedMs: number
}

/** A file being written in order; visible under its key only after close() (disk: temp + fsync + rename; S3: multipart). */
export interface ObjectWriter {
  write(chunk: Uint8Array): Promise<void>
  /** Returns the size. */
  close(): Promise<number>
  abort(): Promise<void>
}

/**
 * Whether a write may still be made: asked before each try, and again after the milliseconds that it answers while a try is on its way. Throws when
 * it may not.
 */
export type WriteGuard = () => Promise<number>

/**
 * The only I/O of the lake. Keys are '/'-separated, relative to the store's root, no leading slash.
 * Every call is counted with its bytes (observe). Errors are Failures: STORE_NOT_FOUND, STORE_DENIED, STORE_FULL, STORE_UNAVAILABLE.
 */
export interface ObjectStore {
  /**
   * Given when the store was opened. Once it is aborted every call fails with TRB-STORE-017, also one that is on its way, as soon as it can: what a write
   * has done by then is not known. Absent: calls are never given up.
   */
  readonly signal?: AbortSignal
  /** Printable root, e.g. `/data/lake` or `s3://bucket/prefix`. */
  readonly root: string
  get(key: string): Promise<Buffer>
  /** start < 0 counts from the end (footers). Short only at the end of the object. */
  range(key: string, start: number, length: number): Promise<Buffer>
  /** `range` into memory of the caller, for stores that can do without memory of their own. Returns how much of it was filled. */
  rangeInto?(key: string, start: number, into: Buffer): Promise<number>
  /** For unique names only (data files): overwriting is a defect. Durable when resolved. */
  put(key: string, body: Uint8Array): Promise<void>
  writer(key: string): Promise<ObjectWriter>
  /**
   * Atomic create. After a lost answer it re-reads: our own bytes = 'created'. Tries that take their time are made, and waited for, as long as
   * the guard allows it; a store that answers at once does without.
   */
  putIfAbsent(key: string, body: Uint8Array, guard?: WriteGuard): Promise<'created' | 'exists'>
  replaceIfTag(key: string, body: Uint8Array, tag: string): Promise<'replaced' | 'stale'>
  head(key: string): Promise<ObjectInfo | null>
  /** Sorted by key; every key that starts with prefix. Sees every acknowledged put. */
  list(prefix: string, after?: string): AsyncIterable<ObjectInfo>
  /** Absent is no error. */
  delete(keys: readonly string[]): Promise<void>
}
