/**
 * Names of data files (layout 1 and 2):
 *
 *   base => fileId '_' token '_' instant '.parquet'
 *   log  => '.' fileId '_' baseInstant '.log.' version '_' token ['.cdc']
 *   token => taskPartition '-' stage '-' attempt        decimal numbers
 *
 * A file id has no '_'. A file group is (partition, file id); an update writes a new base file of the same group.
 */

const BASE = /^([a-zA-Z0-9-]+)_([a-zA-Z0-9-]+)_(\d{14,20})\.parquet$/
const LOG = /^\.(.+?)_(\d*)\.log\.(\d+)(?:_(\d+-\d+-\d+))?(\.cdc)?$/

export interface BaseFileName {
  readonly fileId: string
  readonly token: string
  readonly instant: string
}

/** A base file as it lies in the store. */
export interface BaseFileObject {
  readonly partition: string
  readonly fileId: string
  readonly instant: string
  readonly key: string
  /** Name without directory. */
  readonly name: string
  readonly bytes: number
}

/** A log file as it lies in the store; `instant` is the one in its name. */
export interface LogFileObject extends BaseFileObject {
  readonly version: number
  readonly token: string
}

export interface LogFileName {
  readonly fileId: string
  readonly baseInstant: string
  readonly version: number
  readonly token: string | null
  readonly cdc: boolean
}

export function printBaseFileName(n: BaseFileName): string {
  return `${n.fileId}_${n.token}_${n.instant}.parquet`
}

/** `token` null, `cdc`: see the grammar. */
export function printLogFileName(n: Omit<LogFileName, 'cdc'> & { readonly cdc?: boolean }): string {
  const token = n.token === null ? '' : `_${n.token}`
  return `.${n.fileId}_${n.baseInstant}.log.${n.version}${token}${n.cdc === true ? '.cdc' : ''}`
}

/** Null when the name (without directory) is not that of a Parquet base file. */
export function parseBaseFileName(name: string): BaseFileName | null {
  const m = BASE.exec(name)
  return m === null ? null : { fileId: m[1], token: m[2], instant: m[3] }
}

/** Null when the name (without directory) is not that of a log file. */
export function parseLogFileName(name: string): LogFileName | null {
  const m = LOG.exec(name)
  return m === null ? null : { fileId: m[1], baseInstant: m[2], version: Number(m[3]), token: m[4] ?? null, cdc: m[5] !== undefined }
}

/** Write token: unique per written file within one instant. */
export function writeToken(taskPartition: number, stage: number, attempt: number): string {
  return `${taskPartition}-${stage}-${attempt}`
}

/** File id of a bucket: the bucket number in 8 digits in place of the first 8 of a UUID, then `-0` (Hudi's simple bucket index). */
export function bucketFileId(bucket: number, uuid: string): string {
  return `${String(bucket).padStart(8, '0')}${uuid.slice(8)}-0`
}

/** Bucket number of a file id; null when it is none of a bucket index. */
export function bucketOfFileId(fileId: string): number | null {
  return /^\d{8}-/.test(fileId) ? Number(fileId.slice(0, 8)) : null
}
