import { expect, test } from 'vitest'
import { sparingly } from '../../src/cli/sparingly.ts'
import { manualClock } from '../support/manual-clock.ts'

test('a trouble of ten minutes that is told each second is said some fifteen times, the first time at once', () => {
  const clock = manualClock()
  const said: string[] = []
  const say = sparingly(clock, (t) => said.push(t))
  for (let second = 0; second < 600; second++) {
    say(`${second}`)
    clock.set(clock.now() + 1_000)
  }
  expect(said.slice(0, 6)).toEqual(['0', '1', '3', '7', '15', '31'])
  expect(said.length).toBeLessThan(16)
})

test('a trouble after a quiet minute is said at once', () => {
  const clock = manualClock()
  const said: string[] = []
  const say = sparingly(clock, (t) => said.push(t))
  for (let second = 0; second < 40; second++) {
    say('first')
    clock.set(clock.now() + 1_000)
  }
  clock.set(clock.now() + 60_000)
  say('second')
  expect(said.slice(-2)).toEqual(['first', 'second'])
})
