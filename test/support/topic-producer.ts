import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { Admin, Producer } from '@platformatic/kafka'

export interface ProducedRecord {
  readonly topic: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly partition?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** Value in the Confluent wire format. */
export function wire(schema: number, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeInt32BE(schema, 1)
  return Buffer.concat([head, body])
}

type Sent = Parameters<Producer<Buffer, Buffer, string, string>['send']>[0]

/** Creates topics and writes records, each batch awaited. */
export class TopicProducer {
  readonly #admin: Admin
  readonly #producer: Producer<Buffer, Buffer, string, string>

  constructor(bootstrap: string) {
    const base = { clientId: 'test', bootstrapBrokers: bootstrap.split(',') }
    this.#admin = new Admin(base)
    this.#producer = new Producer({ ...base, acks: -1, compression: 'zstd', serializers: { headerKey: utf8, headerValue: utf8 } })
  }

  async create(topics: readonly string[], partitions = 1, configs: Readonly<Record<string, string>> = {}): Promise<void> {
    const list = Object.entries(configs).map(([name, value]) => ({ name, value }))
    await this.#admin.createTopics({ topics: [...topics], partitions, replicas: 1, configs: list })
  }

  /** Again and again while the broker still knows topics of these names, which are being deleted. */
  async createAgain(topics: readonly string[]): Promise<void> {
    for (let i = 0; ; i++) {
      try {
        return await this.create(topics)
      } catch (e) {
        if (i === 600 || !/already exists/i.test(inspect(e, { depth: 5 }))) throw e
        await sleep(100)
      }
    }
  }

  async delete(topics: readonly string[]): Promise<void> {
    await this.#admin.deleteTopics({ topics: [...topics] })
  }

  async grow(topic: string, partitions: number): Promise<void> {
    await this.#admin.createPartitions({ topics: [{ name: topic, count: partitions, assignments: [{ brokerIds: [1] }] }] })
  }

  /** Records before `offset` are gone. */
  async deleteRecords(topic: string, partition: number, offset: number): Promise<void> {
    await this.#admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition, offset: BigInt(offset) }] }] })
  }

  async send(records: readonly ProducedRecord[]): Promise<void> {
    for (let i = 0; i < records.length; i += 1000) {
      const messages = records.slice(i, i + 1000).map((r) => {
        const where = r.partition === undefined ? {} : { partition: r.partition }
        const key = r.key === null ? {} : { key: r.key }
        const headers = r.headers === undefined ? {} : { headers: { ...r.headers } }
        return { topic: r.topic, ...key, ...(r.value === null ? {} : { value: r.value }), ...where, ...headers }
      })
      await this.#send(messages)
    }
  }

  /** A broker may be late to know of a topic that was just created; the client then sends nothing. */
  async #send(messages: Sent['messages']): Promise<void> {
    for (let i = 0; ; i++) {
      try {
        await this.#producer.send({ messages })
        return
      } catch (e) {
        if (i === 300 || !/Unknown topic/.test(inspect(e, { depth: 5 }))) throw e
        await sleep(100)
      }
    }
  }

  async close(): Promise<void> {
    await this.#producer.close()
    await this.#admin.close()
  }
}

const utf8 = (text: string | undefined): Buffer | undefined => (text === undefined ? undefined : Buffer.from(text, 'utf8'))

/** A registry that knows these schemas and nothing else: GET /schemas/ids/N. */
export async function serveSchemas(schemas: ReadonlyMap<number, string>): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((request, response) => {
    const id = /^\/schemas\/ids\/(\d+)/.exec(request.url ?? '')?.[1]
    const schema = id === undefined ? undefined : schemas.get(Number(id))
    response.setHeader('content-type', 'application/vnd.schemaregistry.v1+json')
    response.statusCode = schema === undefined ? 404 : 200
    response.end(JSON.stringify(schema === undefined ? { error_code: 40403, message: 'Schema not found' } : { schema }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => server.close() }
}
