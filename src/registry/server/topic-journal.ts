import { Failure } from '../../failure/failure.ts'
import { keyText, type RegistryJournal, recordOf, type SchemaRecord, valueText } from './schema-record.ts'

/** A compacted topic: the newest record of each key is the state. */
export interface SchemasTopic {
  read(): Promise<readonly { readonly key: string; readonly value: string | null }[]>
  append(records: readonly { readonly key: string; readonly value: string | null }[]): Promise<void>
  close(): Promise<void>
}

/** The registry's log in a topic with the records of Confluent's registry (`_schemas`), which can take over, and be taken over from. */
export function createTopicJournal(topic: SchemasTopic, name: string): RegistryJournal {
  return {
    async load() {
      const records: SchemaRecord[] = []
      let reserved = 0
      for (const { key, value } of await topic.read()) {
        const record = understand(key, value, name)
        if (record === null) continue
        records.push(record)
        // Ids of versions that are gone for good stay theirs as long as the topic remembers them.
        if (record.type === 'SCHEMA' && record.value !== null) reserved = Math.max(reserved, record.value.id)
      }
      return { records, reserved }
    },
    append: (records) => topic.append(records.map((r) => ({ key: keyText(r), value: valueText(r) }))),
    close: () => topic.close(),
  }
}

function understand(key: string, value: string | null, topic: string): SchemaRecord | null {
  let record: ReturnType<typeof recordOf>
  try {
    record = recordOf(key, value)
  } catch (e) {
    if (e instanceof SyntaxError) record = 'unknown'
    else throw e
  }
  if (record === 'unknown')
    throw new Failure('TRB-REG-014', { place: `topic ${topic}`, detail: `a record with the key ${key.slice(0, 200)}` })
  return record
}
