import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, it } from 'vitest'
import { searchSchedules } from './schedule.ts'

const scratch = mkdtempSync(join(tmpdir(), 'lake-sim-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

it('a merge-on-read table is what the model says after a fault at any call of any operation', async () => {
  await searchSchedules('MERGE_ON_READ', scratch)
}, 1_800_000)
