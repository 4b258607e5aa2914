import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ACTIONS, completedAction, parseName, printName } from '../../timeline/name.ts'
import { foldTimeline } from '../../timeline/timeline.ts'

const NAMES: Record<string, Record<string, string[]>> = JSON.parse(
  readFileSync(new URL('../golden/hudi/timeline-names.json', import.meta.url), 'utf8'),
)

test('names go back and forth', () => {
  const file = fc.record({
    time: fc.stringMatching(/^\d{17}$/),
    action: fc.constantFrom(...ACTIONS),
    state: fc.constantFrom('requested' as const, 'inflight' as const, 'completed' as const),
  })
  fc.assert(
    fc.property(file, (f) => {
      const back = parseName(printName(f))
      if (f.action === 'savepoint' && f.state === 'requested') expect(back.kind).toBe('unknown')
      // A completed compaction is a commit by name.
      else if (f.state === 'completed' && completedAction(f.action) !== f.action) expect(back).not.toEqual({ kind: 'instant', file: f })
      // A pending clustering is a replacecommit by name.
      else if (f.action === 'clustering') expect(back).toEqual({ kind: 'instant', file: { ...f, action: 'replacecommit' } })
      else expect(back).toEqual({ kind: 'instant', file: f })
    }),
  )
})

test('names of layout 2 go back and forth, completed ones with their completion time', () => {
  const time = fc.stringMatching(/^\d{17}$/)
  const file = fc.record({
    time,
    action: fc.constantFrom(...ACTIONS),
    state: fc.constantFrom('requested' as const, 'inflight' as const, 'completed' as const),
    completion: time,
  })
  fc.assert(
    fc.property(file, ({ completion, ...f }) => {
      const done = f.state === 'completed'
      const full = done ? { ...f, completion } : f
      const back = parseName(printName(full, 2), 2)
      if (f.action === 'savepoint' && f.state === 'requested') expect(back.kind).toBe('unknown')
      else expect(back).toEqual({ kind: 'instant', file: { ...full, action: done ? completedAction(f.action) : f.action } })
      if (done) expect(() => printName(f, 2)).toThrow(RangeError)
    }),
  )
  expect(printName({ time: '20261121031421535', action: 'commit', state: 'completed', completion: '20261121031421999' }, 2)).toBe(
    '20261121031421535_20261121031421999.commit',
  )
  expect(printName({ time: '20261121031421535', action: 'clustering', state: 'requested' }, 2)).toBe(
    '20261121031421535.clustering.requested',
  )
  for (const layout1 of ['20261121031421535.commit', '20261121031421535_20261121031421999.commit.requested']) {
    expect(parseName(layout1, 2)).toEqual({ kind: 'unknown' })
  }
})

test('a commit names its inflight file without its action', () => {
  expect(printName({ time: '20261121031421535', action: 'commit', state: 'inflight' })).toBe('20261121031421535.inflight')
  expect(parseName('20261121031421535.commit.inflight')).toEqual({ kind: 'unknown' })
})

test('files that are no instants are told from instants of another layout', () => {
  for (const other of ['hoodie.properties', 'archived', '.temp', 'metadata']) expect(parseName(other)).toEqual({ kind: 'other' })
  for (const name of [
    '20261121031421535_20261121031421999.commit',
    '20261121031421535.clustering.requested',
    '20261121031421535.commit.tmp',
    '12.commit',
  ]) {
    expect(parseName(name)).toEqual({ kind: 'unknown' })
  }
})

test.each(Object.keys(NAMES))('every file in the timelines of %s, as Spark wrote it, is parsed and printed back', (table) => {
  for (const names of Object.values(NAMES[table])) {
    for (const name of names) {
      if (name.startsWith('hoodie.properties')) continue
      const parsed = parseName(name)
      if (parsed.kind !== 'instant') throw new Error(`${name} is ${parsed.kind}`)
      expect(printName(parsed.file)).toBe(name)
    }
  }
})

test('completed compactions and log compactions are recognised by their plans', () => {
  const actions = (table: string): string[] =>
    foldTimeline(
      NAMES[table]['.hoodie'].flatMap((n) => {
        const p = parseName(n)
        return p.kind === 'instant' ? [p.file] : []
      }),
    ).instants.map((i) => `${i.action} ${i.state}`)
  expect(actions('v6_mor_nonpart_compacted').filter((a) => a.startsWith('compaction'))).toEqual(['compaction completed'])
  expect(actions('v6_mor_nonpart_compaction_inflight')).toContain('compaction inflight')
  expect(actions('v6_mor_nonpart_compaction_requested')).toContain('compaction requested')
  expect(actions('v6_mor_logcompaction').filter((a) => a.startsWith('logcompaction')).length).toBeGreaterThan(0)
  expect(actions('v6_cow_savepoint_restore_savepointed')).toEqual(['commit completed', 'savepoint completed', 'commit completed'])
})

test('a file that Java is about to rename is none yet', () => {
  const uuid = '0fc78969-5311-4555-875a-865175ea1290'
  for (const name of ['20261121182916980.inflight', '20261121182916980_20261121182917000.commit'])
    expect(parseName(`${name}.${uuid}`, 2)).toEqual({ kind: 'other' })
  expect(parseName(`20261121182916980.commit.${uuid}`)).toEqual({ kind: 'other' })
  expect(parseName(`20261121182916980.commit.${uuid}x`)).toEqual({ kind: 'unknown' })
})
