import { Failure } from '../../failure/failure.ts'
import { CONTENT_VERSION } from './writer.ts'

/** Where the datums of an Avro or CDC block lie in its content: datum i is content[start[i], end[i]). */
export interface Datums {
  readonly count: number
  readonly start: Int32Array
  readonly end: Int32Array
}

/**
 * Reads the frame of an Avro or CDC block's content, version 3: version:i32 count:i32 (length:i32 datum)*. Earlier versions fail with TRB-LAKE-021,
 * damage with TRB-LAKE-020. `at`: where the block is in its file, for the message.
 */
export function readAvroContent(content: Buffer, file: string, at: number): Datums {
  const bad = (problem: string): Failure => new Failure('TRB-LAKE-020', { file, at, problem })
  if (content.length < 8) throw bad('an Avro block is too short')
  const version = content.readInt32BE(0)
  if (version !== CONTENT_VERSION) throw new Failure('TRB-LAKE-021', { file, what: `an Avro block of version ${version}` })
  const count = content.readInt32BE(4)
  if (count < 0 || count > (content.length - 8) / 4) throw bad(`an Avro block says that it has ${count} records`)
  const start = new Int32Array(count)
  const end = new Int32Array(count)
  let p = 8
  for (let i = 0; i < count; i++) {
    const length = p + 4 <= content.length ? content.readInt32BE(p) : -1
    if (length < 0 || p + 4 + length > content.length) throw bad('an Avro block ends inside a record')
    start[i] = p + 4
    end[i] = p + 4 + length
    p = end[i]
  }
  if (p !== content.length) throw bad('an Avro block has bytes after its last record')
  return { count, start, end }
}
