import type { ConnectSchema } from '../../contract/connect-schema.ts'
import type { TopicBatch } from '../../contract/log.ts'
import { connectJson, payloadJson } from '../../envelope/connect-json.ts'
import { type RecordHeader, RecordReader, readHeaders } from '../../format/record-batch/reader.ts'

export type TailFormat = 'debezium-json' | 'json' | 'avro-hex'

export interface PrintOptions {
  readonly format: TailFormat
  /** topic.prefix, for sourcePartition. */
  readonly prefix: string
  readonly connectSchema: (id: number) => ConnectSchema
  readonly schemaText: (id: number) => string
}

/** Prints records one line each (DESIGN "Command line"). */
export class TailPrinter {
  readonly #options: PrintOptions
  readonly #reader = new RecordReader()
  #n = 0

  constructor(options: PrintOptions) {
    this.#options = options
  }

  /** Opens a batch; `next` then gives its lines. */
  open(batch: TopicBatch): void {
    this.#reader.open(batch.records, batch.count)
  }

  /** Moves to the next record; false at the end. */
  next(): boolean {
    return this.#reader.next()
  }

  /** The line of the current record. @param offset JSON text of its sourceOffset */
  line(batch: TopicBatch, offset: string, partition: number | null = null): string {
    const r = this.#reader
    const key = r.keyStart < 0 ? null : r.buf.subarray(r.keyStart, r.keyEnd)
    const value = r.valueStart < 0 ? null : r.buf.subarray(r.valueStart, r.valueEnd)
    const n = this.#n++
    if (this.#options.format === 'avro-hex') {
      return `{"n":${n},"topic":${JSON.stringify(batch.topic)},"key":${this.#hex(key)},"value":${this.#hex(value)}}\n`
    }
    if (this.#options.format === 'json') {
      return `{"topic":${JSON.stringify(batch.topic)},"key":${this.#payload(key)},"value":${this.#payload(value)}}\n`
    }
    const text = (bytes: Buffer | null): string => (bytes === null ? 'null' : JSON.stringify(this.#json(bytes)))
    const headers = [...r.headers(), ...(batch.headers === null ? [] : readHeaders(batch.headers))]
    const fields = [
      `"n":${n}`,
      `"topic":${JSON.stringify(batch.topic)}`,
      `"partition":${partition}`,
      `"timestamp":${batch.ownTimes === true ? r.timestampMs : 'null'}`,
      `"key":${text(key)}`,
      `"value":${text(value)}`,
      `"headers":[${headers.map(headerJson).join(',')}]`,
      `"sourcePartition":{"server":${JSON.stringify(this.#options.prefix)}}`,
      `"sourceOffset":${offset}`,
    ]
    return `{${fields.join(',')}}\n`
  }

  /** True when the current record of the transaction topic is an END. */
  isEnd(): boolean {
    const r = this.#reader
    return r.buf[r.valueStart + 5] === 6
  }

  #json(bytes: Buffer): string {
    return connectJson(this.#options.connectSchema(bytes.readInt32BE(1)), bytes.subarray(5))
  }

  #payload(bytes: Buffer | null): string {
    return bytes === null ? 'null' : payloadJson(this.#options.connectSchema(bytes.readInt32BE(1)), bytes.subarray(5))
  }

  #hex(bytes: Buffer | null): string {
    if (bytes === null) return 'null'
    const schema = this.#options.schemaText(bytes.readInt32BE(1))
    const hex = bytes.length === 5 && /^\["null",/.test(schema) ? 'null' : `"${bytes.toString('hex', 5)}"`
    return `{"schema":${JSON.stringify(schema)},"hex":${hex}}`
  }
}

function headerJson(h: RecordHeader): string {
  return `{"key":${JSON.stringify(h.name)},"value":${h.value === null ? 'null' : JSON.stringify(h.value.toString('utf8'))}}`
}
