import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RowPredicate } from '../../src/contract/row-predicate.ts'
import { SqlParser } from '../../src/query/sql.ts'

let parser: SqlParser
beforeAll(async () => {
  parser = await SqlParser.open()
})
afterAll(() => parser.close())

async function columns(sql: string): Promise<string[] | null> {
  const { needs } = await parser.inspect(sql)
  return needs.columns === null ? null : [...needs.columns].sort()
}

test.each<[string, string[] | null]>([
  ['SELECT a, sum(B) AS n FROM s.t GROUP BY a HAVING max(c) > 1 ORDER BY d, n', ['a', 'b', 'c', 'd', 'n']],
  ['SELECT o.a, p.b FROM o JOIN p USING (k) WHERE o.x = p.y', ['a', 'b', 'k', 'o', 'p', 'x', 'y']],
  ['SELECT count(*) FROM t', []],
  ['SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.b = t.c)', ['a', 'b', 'c', 't', 'u']],
  ['SELECT * FROM t', null],
  ['SELECT t.* EXCLUDE (a) FROM t', null],
  ["SELECT COLUMNS('a.*') FROM t", null],
  ['SELECT t FROM t', null],
  ['SELECT x FROM t x', null],
  ['SELECT s.t FROM s.t', null],
  ['SELECT a FROM t NATURAL JOIN u', null],
  ['SELECT q.a FROM (SELECT * FROM t) q', null],
  ['FROM t', null],
  ['SHOW TABLES', null],
])('%s looks at %j', async (sql, expected) => {
  expect(await columns(sql)).toEqual(expected)
})

/** A predicate as a text: `?` is anything. */
function shown(p: RowPredicate): string {
  if (p.kind === 'anything') return '?'
  if (p.kind === 'and' || p.kind === 'or') return `(${p.of.map(shown).join(` ${p.kind} `)})`
  if (p.kind === 'prefix') return `${p.column} ${p.excluded ? '!' : ''}^ ${p.text}`
  return `${p.column} ${p.op} ${p.values.join('|')}`
}

describe('what rows of the only table fulfil', () => {
  test.each<[string, string]>([
    ["a = 'x' AND 5 < B", '(a = x and b > 5)'],
    ['a BETWEEN 1 AND 3 AND b IN (1, 2)', '((a >= 1 and a <= 3) and b = 1|2)'],
    ['a = 1 OR b = 2', '(a = 1 or b = 2)'],
    ['NOT a = 1', 'a <> 1'],
    ['NOT (a < 1 OR NOT b >= 2)', '(a >= 1 and b >= 2)'],
    ['a NOT BETWEEN 1 AND 3', '(a < 1 or a > 3)'],
    ['a NOT IN (1, 2)', 'a <> 1|2'],
    ['NOT (a NOT IN (1, 2))', 'a = 1|2'],
    ["a LIKE 'x%'", 'a ^ x'],
    ["a LIKE 'x%y_'", 'a ^ x'],
    ["a LIKE 'xy'", 'a = xy'],
    ["a LIKE '%x'", '?'],
    ["a NOT LIKE 'x%'", 'a !^ x'],
    ["a NOT LIKE 'x%y'", '?'],
    ["NOT starts_with(a, 'x')", 'a !^ x'],
    ["a ILIKE 'x%'", '?'],
    ["a LIKE 'x%' ESCAPE '$'", '?'],
    ['a = b', '?'],
    ['a = 1.5', '?'],
    ['a = NULL', '?'],
    ['a IN (1, NULL)', '?'],
    ['a NOT IN (1, NULL)', '?'],
    ['a = 9007199254740993', '?'],
    ["a = 'x' AND (b = 1 OR lower(c) = 'x') AND d >= 7", '(a = x and (b = 1 or ?) and d >= 7)'],
    ['a <> 1', 'a <> 1'],
    ['a IS NULL', '?'],
    ['a IS DISTINCT FROM 1', '?'],
    ['lower(a) = 1', '?'],
  ])('WHERE %s', async (where, expected) => {
    const { needs } = await parser.inspect(`SELECT count(*) FROM t WHERE ${where}`)
    expect(shown(needs.rows)).toEqual(expected)
  })

  test.each([
    'SELECT 1 FROM t, t u WHERE t.a = 1',
    'SELECT (SELECT count(*) FROM t) FROM t WHERE a = 1',
    'WITH x AS (SELECT * FROM t) SELECT * FROM x WHERE a = 1',
    'SELECT a FROM t WHERE a = 1 UNION ALL SELECT 2',
    'SELECT * FROM (SELECT * FROM t LIMIT 1) WHERE a = 1',
    'SELECT * FROM t TABLESAMPLE 10% WHERE a = 1',
  ])('%s: anything, as rows without it may matter', async (sql) => {
    expect((await parser.inspect(sql)).needs.rows).toEqual({ kind: 'anything' })
  })
})
