import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cliPage } from '../../scripts/cli-page.ts'
import { errorsPage } from '../../scripts/errors-page.ts'
import { CDC, LAKE } from '../../src/cli/verbs.ts'
import { CODES } from '../../src/failure/codes.ts'
import { Failure } from '../../src/failure/failure.ts'
import { repository } from './run-bin.ts'

describe('generated pages', () => {
  test('are those of the code (node scripts/generate-docs.ts writes them)', async () => {
    expect(readFileSync(join(repository, 'docs/errors.md'), 'utf8')).toBe(errorsPage())
    expect(readFileSync(join(repository, 'docs/cli.md'), 'utf8')).toBe(await cliPage())
  })

  test('every error links to a heading that is there', () => {
    const headings = new Set([...errorsPage().matchAll(/^## (.+)$/gm)].map((m) => `docs/errors.md#${m[1]!.toLowerCase()}`))
    for (const code of Object.keys(CODES)) expect(headings).toContain(new Failure(code as keyof typeof CODES).explain().more)
  })

  test('every verb has a summary in lower case, a description and an example that begins with its name', async () => {
    for (const program of [CDC, LAKE]) {
      for (const entry of program.verbs) {
        const { verb } = await entry.load()
        expect(entry.summary).toMatch(/^[a-z]/)
        expect(verb.description.length).toBeGreaterThan(40)
        expect(verb.examples.length).toBeGreaterThan(0)
        for (const e of verb.examples) expect(e.command).toContain(`${program.name} ${entry.name}`)
      }
    }
  })
})
