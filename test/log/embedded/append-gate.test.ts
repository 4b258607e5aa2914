import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AppendGate, pollingSignal } from '../../../src/log/embedded/append-gate.ts'
import { openStateDatabase, openStateReader } from '../../../src/log/embedded/database.ts'
import { createEmbeddedLog, createLogReader } from '../../../src/log/embedded/embedded-log.ts'
import { makeBatch, makeCursor } from '../../conformance/log-data.ts'

const never = new AbortController().signal

test('the gate opens for those who wait for less, at once for those behind, and not for an older id', async () => {
  const gate = new AppendGate(5)
  await gate.wait(4, never)
  let open = 0
  const waits = [gate.wait(5, never).then(() => open++), gate.wait(7, never).then(() => open++)]
  gate.advance(5)
  await new Promise(setImmediate)
  expect(open).toBe(0)
  gate.advance(6)
  await new Promise(setImmediate)
  expect(open).toBe(1)
  gate.advance(8)
  await Promise.all(waits)
})

test('waiting ends with the reason of its signal', async () => {
  const stop = new AbortController()
  const wait = new AppendGate(0).wait(0, stop.signal)
  stop.abort(new Error('enough'))
  await expect(wait).rejects.toThrow('enough')
  await expect(new AppendGate(0).wait(0, stop.signal)).rejects.toThrow('enough')
})

test('a reader on another connection follows by asking through the clock', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'trib-log-'))
  const sleeps: number[] = []
  const clock = { now: () => 0, sleep: async () => undefined, uuid: () => 'u', random: () => 0 }
  const log = createEmbeddedLog(openStateDatabase(dir), { clock, retention: { maxAgeMs: 0, maxBytes: 0 } })
  const reader = createLogReader(openStateReader(dir))
  const asking = {
    ...clock,
    sleep: async (ms: number) => {
      sleeps.push(ms)
      if (sleeps.length === 3) await log.append([makeBatch('a', 0, 1)], makeCursor('1'))
    },
  }
  await pollingSignal(reader, asking, 25).wait(0, never)
  expect(sleeps).toEqual([25, 25, 25])
  reader.close()
  log.close()
  rmSync(dir, { recursive: true })
})
