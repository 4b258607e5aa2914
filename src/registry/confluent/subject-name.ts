import { Failure } from '../../failure/failure.ts'
import type { SubjectNaming } from './confluent-options.ts'

/**
 * The subject of a schema under a naming strategy, from its subject under TopicNameStrategy (`<topic>-key` or `<topic>-value`).
 * The strategies with record names need a record, as in Confluent's serialisers: anything else fails with TRB-REG-011.
 */
export function subjectName(naming: SubjectNaming, topicSubject: string, schemaText: string): string {
  if (naming === 'topic') return topicSubject
  const record = recordName(schemaText)
  if (record === null) {
    const detail = `naming subjects by record needs a record, and the schema of ${topicSubject} is none`
    throw new Failure('TRB-REG-011', { detail, flag: '--registry-subjects topic' })
  }
  return naming === 'record' ? record : `${topicSubject.replace(/-(key|value)$/, '')}-${record}`
}

function recordName(schemaText: string): string | null {
  const schema = JSON.parse(schemaText) as { type?: unknown; name?: unknown; namespace?: unknown } | string
  if (typeof schema === 'string' || schema.type !== 'record' || typeof schema.name !== 'string') return null
  const space = schema.namespace
  return schema.name.includes('.') || typeof space !== 'string' || space === '' ? schema.name : `${space}.${schema.name}`
}
