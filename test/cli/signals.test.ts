import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
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

/** Node catches SIGINT and SIGTERM from its start; the third of the program's signals only once the program listens. */
const SIGHUP_MASK = 1n

/** The process that runs the program: `pid` itself, or its child when an older Node handed over. */
const programOf = (pid: number, handedOver: boolean): number =>
  handedOver ? Number(spawnSync('ps', ['--ppid', String(pid), '-o', 'pid=']).stdout.toString()) : pid

/** Waits until a program listens for signals (a busy machine takes seconds to start it), and a moment more for its query; its process. */
async function atWork(child: ChildProcess, handedOver: boolean): Promise<number> {
  for (let i = 0; i < 500; i++) {
    const pid = programOf(child.pid!, handedOver)
    const status = pid > 0 && existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : ''
    if (BigInt(`0x${/SigCgt:\s*([0-9a-f]+)/.exec(status)?.[1] ?? '0'}`) & SIGHUP_MASK) {
      await sleep(500)
      return pid
    }
    await sleep(50)
  }
  throw new Error('the program does not get to work')
}

/** Runs an endless query under `node` and sends it a signal once it is at work. */
async function interrupted(signal: NodeJS.Signals, node: string = process.execPath): Promise<Ended> {
  let sent: Promise<unknown> = Promise.resolve()
  const during = (child: ChildProcess): void => {
    sent = atWork(child, node !== process.execPath).then(() => child.kill(signal))
  }
  const ended = await runBin('lake', ENDLESS, { node, during })
  await sent
  return ended
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
    let found: Promise<number> = Promise.resolve(0)
    const during = (launcher: ChildProcess): void => {
      found = atWork(launcher, true).finally(() => launcher.kill('SIGKILL'))
    }
    const e = await runBin('lake', ENDLESS, { node: oldNode!, during })
    expect(e.signal).toBe('SIGKILL')
    const child = await found
    expect(child).toBeGreaterThan(1)
    for (let i = 0; i < 300 && existsSync(`/proc/${child}`); i++) await sleep(100)
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
