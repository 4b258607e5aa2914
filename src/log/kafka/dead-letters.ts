import { type BaseOptions, Producer } from '@platformatic/kafka'
import { Failure } from '../../failure/failure.ts'
import type { RecordReader } from '../../format/record-batch/reader.ts'

/** Headers of a record that could not be processed, by the names of Kafka Connect (errors.deadletterqueue.context.headers.enable). */
export function deadLetterHeaders(
  record: { readonly topic: string; readonly partition: number; readonly offset: number },
  group: string,
  why: Error,
): ReadonlyMap<string, string> {
  return new Map([
    ['__connect.errors.topic', record.topic],
    ['__connect.errors.partition', String(record.partition)],
    ['__connect.errors.offset', String(record.offset)],
    ['__connect.errors.connector.name', group],
    ['__connect.errors.task.id', '0'],
    ['__connect.errors.stage', 'VALUE_CONVERTER'],
    ['__connect.errors.class.name', 'tributary'],
    ['__connect.errors.exception.class.name', why instanceof Failure ? why.code : why.name],
    ['__connect.errors.exception.message', why.message],
    ['__connect.errors.exception.stacktrace', why.stack ?? why.message],
  ])
}

/** Writes copies of records to a dead-letter topic: their key, value and headers, and ours after them. */
export class DeadLetters {
  readonly #producer: Producer<Buffer, Buffer, Buffer, Buffer>

  constructor(base: BaseOptions) {
    this.#producer = new Producer({ ...base, acks: -1, autocreateTopics: true })
  }

  async send(topic: string, reader: RecordReader, why: ReadonlyMap<string, string>): Promise<void> {
    const headers = new Map<Buffer, Buffer>()
    for (const { name, value } of reader.headers()) headers.set(Buffer.from(name, 'utf8'), value ?? Buffer.alloc(0))
    for (const [name, value] of why) headers.set(Buffer.from(name, 'utf8'), Buffer.from(value, 'utf8'))
    const part = (start: number, end: number): Buffer | undefined => (start < 0 ? undefined : Buffer.from(reader.buf.subarray(start, end)))
    const key = part(reader.keyStart, reader.keyEnd)
    const value = part(reader.valueStart, reader.valueEnd)
    await this.#producer.send({
      messages: [{ topic, ...(key === undefined ? {} : { key }), ...(value === undefined ? {} : { value }), headers }],
    })
  }

  async close(): Promise<void> {
    await this.#producer.close()
  }
}
