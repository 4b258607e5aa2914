import { describe, expect, test } from 'vitest'
import type { Watermark } from '../../src/contract/table.ts'
import { isFailure } from '../../src/failure/failure.ts'
import { parseAsOf } from '../../src/query/as-of.ts'
import { resolveBase } from '../../src/query/resolve.ts'

function watermark(seq: number, commit: string, commitUs: bigint): Watermark {
  return { seq, source: 's', commit, commitUs, writtenMs: 0, appendId: seq * 10, tables: [] }
}

const STATES = [watermark(3, '0/300', 3_000_000n), watermark(2, '0/200', 2_000_000n), watermark(1, '0/100', 1_000_000n)]

async function* newestFirst(states: readonly Watermark[] = STATES): AsyncGenerator<Watermark> {
  yield* states
}

const resolve = async (text: string, states = STATES): Promise<{ seq: number | undefined; later: boolean }> => {
  const base = await resolveBase(parseAsOf(text, 0), newestFirst(states))
  return { seq: base.watermark?.seq, later: base.target !== null }
}

describe('the state a query starts from', () => {
  test('an LSN takes the newest state at or before it', async () => {
    expect(await resolve('lsn:0/300')).toEqual({ seq: 3, later: false })
    expect(await resolve('lsn:0/301')).toEqual({ seq: 3, later: true })
    expect(await resolve('lsn:0/2FF')).toEqual({ seq: 2, later: true })
    expect(await resolve('lsn:0/100')).toEqual({ seq: 1, later: false })
  })

  test('positions compare as numbers, not as texts', async () => {
    const states = [watermark(2, '10/0', 2n), watermark(1, '9/FFFFFFFF', 1n)]
    expect(await resolve('lsn:A/0', states)).toEqual({ seq: 1, later: true })
    expect(await resolve('lsn:10/1', states)).toEqual({ seq: 2, later: true })
  })

  test('a time takes the newest state committed at or before it; more may follow within the same microsecond', async () => {
    expect(await resolve('1970-01-01T00:00:02Z')).toEqual({ seq: 2, later: true })
    expect(await resolve('1970-01-01T00:00:02.999999Z')).toEqual({ seq: 2, later: true })
    expect(await resolve('1970-01-01T00:01:00Z')).toEqual({ seq: 3, later: true })
  })

  test('commit: counts states back', async () => {
    expect(await resolve('commit:0')).toEqual({ seq: 3, later: false })
    expect(await resolve('commit:-2')).toEqual({ seq: 1, later: false })
    await expect(resolve('commit:-3')).rejects.toSatisfy((e) => isFailure(e, 'TRB-QUERY-005') && e.explain().fix === '--as-of commit:-2')
  })

  test('before the first state the error names it, in a form that can be asked for', async () => {
    await expect(resolve('lsn:0/FF')).rejects.toSatisfy((e) => isFailure(e, 'TRB-QUERY-003') && e.explain().fix === '--as-of lsn:0/100')
    await expect(resolve('1970-01-01T00:00:00Z')).rejects.toSatisfy(
      (e) => isFailure(e, 'TRB-QUERY-003') && e.explain().fix === '--as-of 1970-01-01T00:00:01.000000Z',
    )
  })

  test('without any state, positions are refused and the newest instants are taken', async () => {
    await expect(resolve('lsn:0/100', [])).rejects.toSatisfy((e) => isFailure(e, 'TRB-QUERY-003'))
    await expect(resolve('commit:0', [])).rejects.toSatisfy((e) => isFailure(e, 'TRB-QUERY-003'))
    expect(await resolveBase({ kind: 'latest' }, newestFirst([]))).toEqual({ watermark: null, target: null, instant: null })
  })

  test('an instant asks no watermark', async () => {
    const base = await resolveBase(parseAsOf('20261121100000000', 0), newestFirst())
    expect(base).toEqual({ watermark: null, target: null, instant: '20261121100000000' })
  })
})
