import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import { openState } from '../../../src/cli/state.ts'
import { LakeWatermarkStore } from '../../../src/lake/watermark-store.ts'
import { DiskStore } from '../../../src/storage/disk/disk-store.ts'
import { makeBatch, makeCursor } from '../../conformance/log-data.ts'
import { runInProcess } from '../run-in-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trib-status-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const [dir, lake] = [join(root, 'state'), join(root, 'lake')]
const status = (...more: string[]) => runInProcess('cdc', ['status', '--name', 'shop', '--state', dir, '--lake', lake, ...more])

test('a flow without a position is refused by name (TRB-KAFKA-017)', async () => {
  const { code, stderr } = await status()
  expect([code, stderr]).toEqual([2, expect.stringContaining('TRB-KAFKA-017')])
})

test('position, who runs, topics, and how far the lake is behind, while a run holds the state and after it', async () => {
  const retention = { maxAgeMs: 1e12, maxBytes: 1e12 }
  const state = openState(dir, { clock: systemClock, retention, command: 'cdc run --source pg', pid: process.pid })
  const nowUs = BigInt(Date.now()) * 1000n
  const cursor = (at: string, commitUs: bigint) => makeCursor(at, { source: 'shop', commit: at, commitUs })
  await state.log.append([makeBatch('shop.s.t', 0, 5)], cursor('0/1', nowUs - 9_000_000n))
  await state.log.append([makeBatch('shop.s.t', 5, 5), makeBatch('shop.s.u', 0, 2)], cursor('0/2', nowUs - 5_000_000n))
  expect((await status()).stdout).toContain('has no state of this name yet')
  const table = { path: 'db/s/t', schema: 's', table: 't', instant: null, topic: 'shop.s.t', nextOffset: 5 }
  const watermarks = new LakeWatermarkStore(new DiskStore(lake, systemClock), systemClock)
  await watermarks.append({ source: 'shop', commit: '0/1', commitUs: nowUs - 9_000_000n, appendId: 1, tables: [table] })
  const { code, stdout } = await status('--json')
  const { result } = JSON.parse(stdout) as { result: Record<string, unknown> }
  expect([code, result]).toEqual([
    0,
    expect.objectContaining({
      position: expect.objectContaining({ at: '0/2', boundary: true, append: 2 }),
      run: expect.objectContaining({ pid: process.pid, command: 'cdc run --source pg' }),
      lake: expect.objectContaining({ commit: '0/1', appendsBehind: 1, behindMs: 4000 }),
      topics: [
        { topic: 'shop.s.t', partitions: 1, first: 0, next: 10, lake: 5 },
        { topic: 'shop.s.u', partitions: 1, first: 0, next: 2, lake: null },
      ],
    }),
  ])
  state.close()
  const after = (await status()).stdout
  expect(after).toContain(`none: nobody holds ${dir}`)
  expect(after).toContain('1 append and 4.0s behind the log')
  expect(after).toMatch(/shop\.s\.t +1 +10 +10 +5\n/)
})
