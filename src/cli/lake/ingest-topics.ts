import type { TopicTable } from '../../contract/log.ts'

/** Topics that hold no table, by what Debezium and Kafka call them. */
const NOT_TABLES = /^__|\.(transaction|message|offsets|dead-letters)$/

/** Which topics `--topics` chooses: patterns with `*`, a leading `!` excludes; topics that hold no table only by their whole name. */
export function topicFilter(patterns: readonly string[]): (topic: string) => boolean {
  const matches = matcher(patterns)
  return (topic) => matches(topic) && (!NOT_TABLES.test(topic) || patterns.includes(topic))
}

/** Topics of our own producer's positions: the one named, or what the patterns match. */
export function appendTopicFilter(named: string | null, patterns: readonly string[]): (topic: string) => boolean {
  if (named !== null) return (topic) => topic === named
  const matches = matcher(patterns)
  return (topic) => topic.endsWith('.offsets') && !topic.startsWith('__') && matches(topic) && !patterns.includes(topic)
}

/** Topics in which Debezium says where transactions end: the one named, or what the patterns match. */
export function transactionTopicFilter(named: string | null, patterns: readonly string[]): (topic: string) => boolean {
  if (named !== null) return (topic) => topic === named
  const matches = matcher(patterns)
  // A table may be called so, too: its topic is named in full.
  return (topic) => topic.endsWith('.transaction') && !topic.startsWith('__') && matches(topic) && !patterns.includes(topic)
}

function matcher(patterns: readonly string[]): (topic: string) => boolean {
  const chosen = patterns.filter((p) => !p.startsWith('!')).map(patternOf)
  const not = patterns.filter((p) => p.startsWith('!')).map((p) => patternOf(p.slice(1)))
  return (topic) => chosen.some((p) => p.test(topic)) && !not.some((p) => p.test(topic))
}

const patternOf = (pattern: string): RegExp => new RegExp(`^${pattern.split('*').map(literal).join('.*')}$`)

/**
 * `prefix.schema.table` as Debezium names its topics; shorter names fill the table first. The database that the records name stands for
 * the prefix: the same table has the same path whichever way its changes came.
 */
export function tableOfTopic(topic: string, named: string): TopicTable {
  const parts = topic.split('.').filter((p) => p !== '')
  const table = parts.at(-1) ?? topic
  const schema = parts.at(-2) ?? 'topics'
  const prefix = parts.length > 2 ? parts.slice(0, -2).join('.') : 'kafka'
  const database = named === '' ? prefix : named
  return { database, table: { schema, table }, rowEstimate: -1, keySchema: 0, valueSchema: 0 }
}

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
