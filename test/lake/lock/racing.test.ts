import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import { DiskStore } from '../../../src/storage/disk/disk-store.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { AppendingWriter } from './appending-writer.ts'
import { lostUpdates } from './racing.ts'

const CHILD = fileURLToPath(new URL('./racing-child.ts', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'trib-race-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Twenty in CI (TRIBUTARY_PROPERTY_FACTOR): each process costs half a second of CPU to start. */
const PROCESSES = Math.min(20, propertyRuns(6))

test('many processes write one table on disk, some are killed in the middle: no update is lost, none is there twice', async () => {
  const store = new DiskStore(root, systemClock)
  await new AppendingWriter(store, systemClock, null).create()
  const reported: string[] = []
  const children = Array.from({ length: PROCESSES }, (_, id) => {
    const child = spawn(process.execPath, [CHILD, root, String(id), '1'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    child.stdout.on('data', (d: Buffer) => reported.push(...d.toString().trim().split('\n')))
    return { child, exited }
  })
  for (const at of [0, 2, 5]) {
    await new Promise((done) => setTimeout(done, 600))
    children[at]!.child.kill('SIGKILL')
  }
  for (const [id, { exited }] of children.entries()) {
    const [code, signal] = (await exited) as [number | null, string | null]
    if (signal === null) expect(code, `writer ${id}`).toBe(0)
  }
  expect(reported.length).toBeGreaterThanOrEqual(PROCESSES - 3)
  expect(await lostUpdates(store, systemClock, reported)).toEqual([])
}, 900_000)
