import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CODES } from '../../src/failure/codes.ts'
import { readText, root } from './tree.ts'

const page = readText('docs/hudi-support.md')
const rows = page.split('\n').filter((l) => l.startsWith('| ') && !/^\| (feature|query|operation|service) \|/.test(l))

/** `file › words of a test's name`, as the page quotes them. */
const proofs = [...page.matchAll(/`(test\/[^`›]+?)(?: › ([^`]+))?`/g)].map((m) => ({ file: m[1]!, name: m[2] ?? null }))

describe('docs/hudi-support.md', () => {
  test('every test that it names is there, under that name', () => {
    expect(proofs.length).toBeGreaterThan(40)
    const wrong = proofs.flatMap(({ file, name }) => {
      if (!existsSync(join(root, file))) return [`${file} is not there`]
      // A quote in a name is escaped where the name is written in single quotes.
      const text = readText(file).replaceAll("\\'", "'")
      return name === null || text.includes(name) ? [] : [`${file} has no test "${name}"`]
    })
    expect(wrong).toEqual([])
  })

  test('every cell that promises something has a proof', () => {
    expect(rows.length).toBeGreaterThan(25)
    const bare = rows.filter((l) => {
      const cells = l.split('|').map((c) => c.trim())
      return cells.at(-2) === '' && !cells.includes('not read')
    })
    expect(bare).toEqual([])
  })

  test('every feature says of both versions what is done with it, in which direction or why not', () => {
    const direction =
      /\b(read|write|written|writing|refused|taken away|not proved|asserted|by instant|by completion time|as version 6)\b|^–$/
    const silent = rows.filter((l) => {
      const cells = l.split('|').map((c) => c.trim())
      return cells.length !== 6 || !cells.slice(2, 4).every((c) => direction.test(c))
    })
    expect(silent).toEqual([])
  })

  test('the codes that it names exist', () => {
    const named = [...page.matchAll(/TRB-[A-Z]+-\d+/g)].map((m) => m[0])
    expect(named.filter((c) => !(c in CODES))).toEqual([])
  })
})
