import type { TopicTable } from '../../contract/log.ts'

/** Topics that hold no table, by what Debezium and Kafka call them. */
const NOT_TABLES = /^__|\.(transaction|message|offsets)$/

/** Which topics `--topics` chooses: patterns with `*`, a leading `!` excludes; topics that hold no table only by their whole name. */
export function topicFilter(patterns: readonly string[]): (topic: string) => boolean {
  const of = (pattern: string): RegExp => new RegExp(`^${pattern.split('*').map(literal).join('.*')}$`)
  const chosen = patterns.filter((p) => !p.startsWith('!')).map((p) => ({ pattern: of(p), exact: !p.includes('*') }))
  const not = patterns.filter((p) => p.startsWith('!')).map((p) => of(p.slice(1)))
  return (topic) => chosen.some((c) => c.pattern.test(topic) && (c.exact || !NOT_TABLES.test(topic))) && !not.some((p) => p.test(topic))
}

/** `prefix.schema.table` as Debezium names its topics; shorter names fill the table first. */
export function tableOfTopic(topic: string): TopicTable {
  const parts = topic.split('.').filter((p) => p !== '')
  const table = parts.at(-1) ?? topic
  const schema = parts.at(-2) ?? 'topics'
  const database = parts.length > 2 ? parts.slice(0, -2).join('.') : 'kafka'
  return { database, table: { schema, table }, rowEstimate: -1, keySchema: 0, valueSchema: 0 }
}

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
