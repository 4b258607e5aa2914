// Writes docs/errors.md and docs/cli.md from the tables in the code; `--check` only says which are stale (exit 1).
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { cliPage } from './cli-page.ts'
import { errorsPage } from './errors-page.ts'

const pages: readonly (readonly [file: string, text: string])[] = [
  ['docs/errors.md', errorsPage()],
  ['docs/cli.md', await cliPage()],
]

let stale = 0
for (const [file, text] of pages) {
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url))
  if (current(path) === text) continue
  if (!process.argv.includes('--check')) writeFileSync(path, text)
  else {
    stale++
    process.stderr.write(`${file} is stale: node scripts/generate-docs.ts\n`)
  }
}
process.exitCode = stale === 0 ? 0 : 1

function current(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw e
  }
}
