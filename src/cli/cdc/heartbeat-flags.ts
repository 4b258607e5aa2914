import type { HeartbeatOptions } from '../../capture/heartbeat.ts'
import { Failure } from '../../failure/failure.ts'
import { duration, text } from '../flag.ts'

/** Flags of `cdc run` about heartbeats. */
export const heartbeatFlags = {
  heartbeat: duration({
    help: 'time between heartbeats: records in a topic of their own (__debezium-heartbeat.NAME) that say the flow is alive; 0s: none',
    default: 0,
  }),
  'heartbeat-query': text({
    help: 'SQL that is run at the source with every heartbeat, such as the update of a row: a quiet database then has something to read',
    placeholder: 'SQL',
  }),
}

/** Undefined: no heartbeats. */
export function heartbeatOfFlags(flags: {
  readonly heartbeat?: number
  readonly 'heartbeat-query'?: string | null
}): HeartbeatOptions | undefined {
  const intervalMs = flags.heartbeat ?? 0
  return intervalMs === 0 ? undefined : { intervalMs, query: flags['heartbeat-query'] ?? null }
}

/** Settings of a Debezium configuration that are read here. */
export const HEARTBEAT_SETTINGS = ['heartbeat.interval.ms', 'heartbeat.action.query', 'heartbeat.topics.prefix', 'topic.heartbeat.prefix']

/** Fails with TRB-ENV-002 when the interval is no number. */
export function heartbeatOfConfig(config: ReadonlyMap<string, string>): HeartbeatOptions | undefined {
  const option = 'heartbeat.interval.ms'
  const value = config.get(option)?.trim() ?? '0'
  if (!/^\d{1,9}$/.test(value)) throw new Failure('TRB-ENV-002', { option, value, supported: 'milliseconds, such as 10000; 0: none' })
  return value === '0' ? undefined : { intervalMs: Number(value), query: config.get('heartbeat.action.query') ?? null }
}
