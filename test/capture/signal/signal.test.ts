import { describe, expect, it } from 'vitest'
import { NOTHING, type Progress, progressOf, withoutProgress, withProgress } from '../../../src/capture/signal/progress.ts'
import { parseSignal } from '../../../src/capture/signal/signal.ts'
import { isFailure } from '../../../src/failure/failure.ts'

describe('a row of the signal table', () => {
  it('asks for an incremental snapshot of tables, by default or by name, with conditions of both forms', () => {
    const request = { collections: ['public.a', 'public.b'], conditions: [], surrogate: null }
    expect(parseSignal('execute-snapshot', '{"data-collections":["public.a","public.b"]}')).toEqual({ kind: 'snapshot', request })
    const data = { type: 'INCREMENTAL', 'data-collections': ['public.a'], 'surrogate-key': 'n' }
    expect(
      parseSignal(
        'execute-snapshot',
        JSON.stringify({ ...data, 'additional-conditions': [{ 'data-collection': 'public.a', filter: 'id > 1' }] }),
      ),
    ).toEqual({
      kind: 'snapshot',
      request: { collections: ['public.a'], conditions: [['public.a', 'id > 1']], surrogate: 'n' },
    })
    expect(parseSignal('execute-snapshot', JSON.stringify({ ...data, 'additional-condition': 'id > 2' }))).toMatchObject({
      request: { conditions: [['public.a', 'id > 2']] },
    })
  })

  it('stops, pauses, resumes, logs, and marks windows', () => {
    expect(parseSignal('stop-snapshot', '{"type":"incremental"}')).toEqual({ kind: 'stop', collections: null })
    expect(parseSignal('stop-snapshot', '{"data-collections":["public.a"]}')).toEqual({ kind: 'stop', collections: ['public.a'] })
    expect(parseSignal('pause-snapshot', null)).toEqual({ kind: 'pause' })
    expect(parseSignal('resume-snapshot', '')).toEqual({ kind: 'resume' })
    expect(parseSignal('log', '{"message":"at {}"}')).toEqual({ kind: 'log', message: 'at {}' })
    expect(parseSignal('snapshot-window-open', 'anything')).toEqual({ kind: 'window' })
  })

  it.each([
    ['execute-snapshot', '{"data-collections":[]}', 'no data-collections'],
    ['execute-snapshot', '{"data-collections":["("]}', 'regular expression'],
    ['execute-snapshot', '{"data-collections":"public.a"}', 'no data-collections'],
    ['execute-snapshot', '{"type":"other","data-collections":["a"]}', 'not known'],
    ['execute-snapshot', '{"data-collections":["a"],"additional-conditions":[{"filter":"x"}]}', 'additional-conditions'],
    ['execute-snapshot', '{"data-collections":["a"],"surrogate-key":7}', 'surrogate-key'],
    ['execute-snapshot', 'not json', 'not JSON'],
    ['execute-snapshot', '[]', 'no JSON object'],
    ['stop-snapshot', '{"type":"blocking"}', 'cannot be stopped'],
    ['log', '{}', 'no message'],
    ['schema-changes', '{}', 'schema-changes is not supported'],
    ['set-binlog-position', '{}', 'not supported'],
  ])('of type %s with %s is not obeyed, and it is said why', (type, data, reason) => {
    expect(parseSignal(type, data)).toEqual({ kind: 'unusable', reason: expect.stringContaining(reason) })
  })
})

describe('progress behind a position', () => {
  const task = {
    table: 'public.t',
    pattern: false,
    filter: "a = ' incremental {}'",
    surrogate: null,
    after: ['1', 'x y'],
    max: ['9', 'ü "'],
  }
  const progress: Progress = { paused: true, tasks: [task, { ...task, table: 'a b', pattern: true, after: null, max: null }] }

  it.each(['16/B374D848+12', '0/1+1 {"until":"0/5","from":{"a incremental {b}":"0/2"}}', 'bin.000001:4/u:1-5 {"server":"x y"}'])(
    'is told from %s, and comes back',
    (at) => {
      const text = withProgress(at, progress)
      expect(withoutProgress(text)).toBe(at)
      expect(progressOf(text)).toEqual(progress)
      expect(withProgress(at, NOTHING)).toBe(at)
      expect(progressOf(at)).toEqual(NOTHING)
      expect(withoutProgress(at)).toBe(at)
    },
  )

  it.each(['{"paused":true,"tasks":[{}]}', '{"paused":}', '{"paused":1,"tasks":[]}'])('that holds %s is refused', (json) => {
    let code: unknown = null
    try {
      progressOf(`0/1+1 incremental ${json}`)
    } catch (e) {
      code = isFailure(e) ? e.code : e
    }
    expect(code).toBe('TRB-SIG-001')
  })
})
