import { Failure } from '../../failure/failure.ts'

/** When `cdc tail` ends. */
export type Until =
  | { readonly kind: 'never' }
  | { readonly kind: 'now' }
  | { readonly kind: 'idle'; readonly ms: number }
  /** A position as its source prints it. */
  | { readonly kind: 'position'; readonly at: string }
  | { readonly kind: 'count'; readonly count: number }

/** Parses --until: now, idle:3s, lsn:16/B374D848, binlog:FILE:BYTE, count:100; null is never. Fails with TRB-CLI-004. */
export function parseUntil(command: string, text: string | null): Until {
  if (text === null) return { kind: 'never' }
  if (text === 'now') return { kind: 'now' }
  const idle = /^idle:(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text)
  if (idle !== null) return { kind: 'idle', ms: Number(idle[1]) * (idle[2] === 'ms' ? 1 : idle[2] === 's' ? 1000 : 60000) }
  const lsn = /^lsn:([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})$/.exec(text)
  if (lsn !== null) return { kind: 'position', at: lsn[1] }
  const binlog = /^binlog:([^\s:/]+:\d{1,15})$/.exec(text)
  if (binlog !== null) return { kind: 'position', at: binlog[1] }
  const count = /^count:(\d{1,15})$/.exec(text)
  if (count !== null) return { kind: 'count', count: Number(count[1]) }
  const expected = 'now, idle:3s, lsn:16/B374D848, binlog:mysql-bin.000003:1234 or count:100'
  throw new Failure('TRB-CLI-004', { command, where: '--until', value: JSON.stringify(text), expected })
}
