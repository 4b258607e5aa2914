import type { PartitionedLog, TopicInfo } from '../../contract/partitioned-log.ts'
import { AppendCuts } from '../../pipeline/append-cuts.ts'
import type { IngestOptions } from '../../pipeline/ingest.ts'
import { PlainCuts } from '../../pipeline/ingest-cuts.ts'
import { TransactionCuts } from '../../pipeline/transaction-cuts.ts'
import type { ContextWith } from '../verb.ts'
import { appendTopicFilter, topicFilter, transactionTopicFilter } from './ingest-topics.ts'

type CutFlags = {
  readonly topics: readonly string[]
  readonly group: string
  readonly 'flush-rows': number
  readonly 'offsets-topic': string | null
  readonly 'transaction-topic': string | null
}

/** Records of a partition that one commit takes at most, in flush-rows. */
const LARGEST_COMMIT = 4

/** Topics that tell where transactions of the source end. */
export function tellsOf(flags: CutFlags): (topic: string) => boolean {
  const appends = appendTopicFilter(flags['offsets-topic'], flags.topics)
  const transactions = transactionTopicFilter(flags['transaction-topic'], flags.topics)
  return (topic) => appends(topic) || transactions(topic)
}

/**
 * Where flushes are cut: at what our own capture says with each append, else at what Debezium says in its transaction topic, else where the
 * records end.
 */
export function cutsOf(
  { flags }: Pick<ContextWith<CutFlags>, 'flags'>,
  log: PartitionedLog,
  schema: (id: number) => Promise<string>,
  show: { log(line: string): void },
): IngestOptions['cuts'] {
  const never = new AbortController().signal
  const limit = flags['flush-rows'] * LARGEST_COMMIT
  const isAppends = appendTopicFilter(flags['offsets-topic'], flags.topics)
  const warn = (text: string): void => show.log(`warning   ${text}`)
  const only = (telling: readonly TopicInfo[]): string | null => {
    if (telling.length > 1) warn('topics of several sources: the tables have no common position')
    else if (telling.length === 1 && telling[0]!.partitions > 1)
      // Of Kafka Connect's own topic only one partition would be read: which one is a matter of the connector's name.
      warn(`${telling[0]!.name} has several partitions: the tables have no common position`)
    return telling.length === 1 && telling[0]!.partitions === 1 ? telling[0]!.name : null
  }
  return (telling, newest, exact) => {
    const appends = telling.filter((t) => isAppends(t.name))
    const told = only(appends.length > 0 ? appends : telling.filter((t) => !isBelow(t, telling)))
    if (told === null) return new PlainCuts(flags.group, limit, newest?.appendId ?? 0)
    if (appends.length > 0) return new AppendCuts(log, told, exact?.appendId ?? 0, never)
    const tells = tellsOf(flags)
    const chosen = topicFilter(flags.topics)
    const wanted = (topic: string): boolean => chosen(topic) && !tells(topic)
    return new TransactionCuts({
      log,
      topic: told,
      source: flags.group,
      schema,
      wanted,
      newest,
      exact,
      limit,
      signal: never,
      onWarning: warn,
    })
  }
}

/** `shop.public.transaction` beside `shop.transaction`: the topic of a table. */
function isBelow({ name }: TopicInfo, others: readonly TopicInfo[]): boolean {
  return others.some((o) => o.name !== name && name.startsWith(o.name.slice(0, o.name.lastIndexOf('.') + 1)))
}
