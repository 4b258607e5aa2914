/**
 * The unit of Hudi's log files (spec hudi §4.1). All integers are big-endian:
 *
 *   file    => block*
 *   block   => '#HUDI#' length:i64 version:i32 type:i32 header contentLength:i64 content footer total:i64
 *   header  => count:i32 (key:i32 size:i32 utf8)*          footer has the same form, and is empty
 *
 * `length` counts what follows it, `total` included; `total` = length + 6.
 */
export const MAGIC = Buffer.from('#HUDI#', 'latin1')

/** The only log format version there is since Hudi 0.4. */
export const LOG_VERSION = 1

/** By ordinal. `corrupt` is never written. */
export const BLOCK_TYPES = ['command', 'delete', 'corrupt', 'avro', 'hfile', 'parquet', 'cdc'] as const

export type BlockType = Exclude<(typeof BLOCK_TYPES)[number], 'corrupt'>

/** Header keys, by ordinal. */
export const HEADER_KEYS = [
  'instant',
  'target',
  'schema',
  'command',
  'compacted',
  'positions',
  'identifier',
  'partial',
  'positionsBase',
] as const

/**
 * instant: that wrote the block; target: the instant that a command is about; schema: Avro text of the rows; command: '0' = roll back;
 * compacted: instants whose blocks this one stands for, comma-separated, newest first; positions: rows of the base file that the records concern,
 * in their order (base64 of a 64-bit Roaring bitmap), of the base file of instant `positionsBase`; partial: 'true' = rows have only some of the columns.
 */
export type HeaderKey = (typeof HEADER_KEYS)[number]

export type BlockHeader = ReadonlyMap<HeaderKey, string>

/** A block as it lies in its file. */
export interface LogBlock {
  readonly kind: 'block'
  readonly type: BlockType
  readonly header: BlockHeader
  /** First byte, and the one after the last. */
  readonly at: number
  readonly end: number
  readonly contentAt: number
  readonly contentLength: number
}

/** Bytes that are no whole block: the rest of a write that broke off, or damage. */
export interface DamagedBytes {
  readonly kind: 'damaged'
  readonly at: number
  readonly end: number
  readonly problem: string
  /** Instant of the block that the bytes began as, where its header can be read. */
  readonly instant: string | null
}
