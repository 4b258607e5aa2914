import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import { createOrOpenTable } from '../../src/lake/open-table.ts'
import { DiskStore } from '../../src/storage/disk/disk-store.ts'
import { type Ended, repository, runBin } from './run-bin.ts'

const lake = mkdtempSync(join(tmpdir(), 'trib-signals-'))
const oldNode = ['/usr/bin/node', '/usr/local/bin/node'].find((f) => {
  if (!existsSync(f)) return false
  return Number(/^v(\d+)/.exec(execFileSync(f, ['--version']).toString())?.[1]) < 24
})

beforeAll(async () => {
  const table = { name: 't', database: 'shop', path: 'db/shop/t', orderingField: '_event_lsn', partition: null, buckets: 1 }
  const columns = ['id', '_event_lsn'].map((name) => ({ name, type: { kind: 'long' as const } }))
  const spec = { ...table, columns, key: ['id'], tableType: 'COPY_ON_WRITE' as const, tableVersion: 6 as const }
  await createOrOpenTable(new DiskStore(lake, systemClock), spec, systemClock)
})
afterAll(() => rmSync(lake, { recursive: true, force: true }))

const ENDLESS = ['query', 'SELECT count(*) FROM range(100000000000000) a', '--lake', lake]
const MANY = ['query', 'SELECT i, md5(i::VARCHAR) AS m FROM range(50000000) r(i)', '--lake', lake, '--format', 'jsonl']

/** Runs an endless query under `node` and sends it a signal once it is at work. */
async function interrupted(signal: NodeJS.Signals, node: string = process.execPath): Promise<Ended> {
  return await runBin('lake', ENDLESS, { node, during: (child) => setTimeout(() => child.kill(signal), 1500) })
}

describe('signals', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends a query with %i and one line', async (signal, code) => {
    const e = await interrupted(signal)
    expect([e.code, e.stdout, e.stderr]).toEqual([code, '', `lake query: stopped by ${signal}\n`])
  })

  test.skipIf(oldNode === undefined)('behind an older Node a signal passes on, and counts once', async () => {
    const e = await interrupted('SIGINT', oldNode!)
    expect([e.code, e.stderr]).toEqual([130, 'lake query: stopped by SIGINT\n'])
  })

  test.skipIf(oldNode === undefined)('killing the older Node ends the program too', async () => {
    let child = 0
    const e = await runBin('lake', ENDLESS, {
      node: oldNode!,
      during: (launcher) =>
        setTimeout(() => {
          child = Number(execFileSync('ps', ['--ppid', String(launcher.pid), '-o', 'pid=']).toString())
          launcher.kill('SIGKILL')
        }, 1500),
    })
    expect(e.signal).toBe('SIGKILL')
    expect(child).toBeGreaterThan(1)
    for (let i = 0; i < 50 && existsSync(`/proc/${child}`); i++) await new Promise((r) => setTimeout(r, 100))
    expect(existsSync(`/proc/${child}`)).toBe(false)
  })

  test('a reader that leaves ends the program quietly', async () => {
    const child = spawn(process.execPath, [`${repository}bin/lake.mjs`, ...MANY], { stdio: ['ignore', 'pipe', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (d: Buffer) => {
      stderr += d.toString()
    })
    child.stdout.once('data', () => child.stdout.destroy())
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect([code, stderr]).toEqual([0, ''])
  })
})
