import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ACTIONS, printName } from '../../timeline/name.ts'
import { EVENTS, type Guard, type Outcome, TRANSITIONS } from '../../timeline/transition.ts'

const SPEC = readFileSync(new URL('../../timeline/SPEC.md', import.meta.url), 'utf8')
const LETTER: Record<Guard, string> = { newest: 'n', free: 'f', rollback: 'r', done: 'd', savepointed: 's' }

function rows(section: string): string[][] {
  const text = SPEC.split(`## ${section}`)[1].split('\n## ')[0]
  const lines = text.split('\n').filter((l) => l.startsWith('|'))
  return lines.slice(2).map((l) =>
    l
      .split('|')
      .slice(1, -1)
      .map((c) => c.trim()),
  )
}

function cell(o: Outcome): string {
  return 'refuse' in o ? '·' : [o.to, (o.guards ?? []).map((g) => LETTER[g]).join('')].filter((s) => s !== '').join(' ')
}

test('the table of states and events in SPEC.md is the one of the code', () => {
  const told = new Set<string>()
  let actions: string[] = []
  for (const [names, state, ...cells] of rows('States × events')) {
    if (names !== '') actions = names.split(', ')
    for (const action of actions) {
      const row = TRANSITIONS[action as 'commit'][state as 'absent']
      expect([action, state, ...cells]).toEqual([action, state, ...EVENTS.map((e) => cell(row[e]))])
      told.add(`${action} ${state}`)
    }
  }
  // A savepoint is never requested.
  expect(told.size).toBe(ACTIONS.length * 4 - 1)
})

test('the names in SPEC.md are those of the code', () => {
  for (const [action, requested, inflight, completed] of rows('Names')) {
    const time = action === 'savepoint' ? 'S' : 'T'
    const name = (state: 'requested' | 'inflight' | 'completed'): string => printName({ time, action: action as 'commit', state })
    if (action !== 'savepoint') expect(requested.split('`')[1]).toBe(name('requested'))
    expect(inflight.split('`')[1]).toBe(name('inflight'))
    expect(completed.split('`')[1]).toBe(name('completed'))
    // Layout 2: the same names while pending, and the completion time in the completed one.
    const later = (state: 'requested' | 'inflight'): string => printName({ time, action: action as 'commit', state }, 2)
    if (action !== 'savepoint') expect(later('requested')).toBe(`${time}.${action}.requested`)
    expect(later('inflight')).toBe(action === 'clustering' ? 'T.clustering.inflight' : name('inflight'))
    expect(printName({ time, action: action as 'commit', state: 'completed', completion: 'C' }, 2)).toBe(
      name('completed').replace(`${time}.`, `${time}_C.`),
    )
  }
})
