import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { debeziumConnector } from '../../../src/cli/cdc/debezium-config.ts'
import { readTailState, writeTailState } from '../../../src/cli/cdc/tail-state.ts'
import { parseUntil } from '../../../src/cli/cdc/tail-until.ts'
import { parseProperties } from '../../../src/cli/properties.ts'
import { DEFAULT_ENVELOPE_SETTINGS } from '../../../src/envelope/options.ts'
import { isFailure } from '../../../src/failure/failure.ts'

function failureOf(run: () => unknown): string | null {
  try {
    run()
    return null
  } catch (e) {
    return isFailure(e) ? e.code : String(e)
  }
}

describe('Java properties', () => {
  it('are read with comments, continuations and escapes', () => {
    const text = '# comment\n! too\na=1\n b : two words \nc three\nlong=x,\\\n   y\nesc=\\u00e9\\t\\\\\nk\\=ey=v\nempty=\n'
    expect([...parseProperties(text)]).toEqual([
      ['a', '1'],
      ['b', 'two words '],
      ['c', 'three'],
      ['long', 'x,y'],
      ['esc', 'é\t\\'],
      ['k=ey', 'v'],
      ['empty', ''],
    ])
  })
})

describe('a Debezium connector configuration', () => {
  const base = new Map([
    ['name', 'inventory'],
    ['connector.class', 'io.debezium.connector.postgresql.PostgresConnector'],
    ['plugin.name', 'pgoutput'],
    ['topic.prefix', 'p'],
    ['database.hostname', 'db'],
    ['database.dbname', 'shop'],
    ['max.batch.size', '4096'],
    ['harness.idle.ms', '3000'],
  ])
  const withOption =
    (option: string, value: string): (() => unknown) =>
    () =>
      debeziumConnector(new Map([...base, [option, value]]), 'c.properties')

  it('is taken as it is, with the defaults of Debezium', () => {
    const c = debeziumConnector(base, 'c.properties')
    expect(c.prefix).toBe('p')
    expect(c.source).toMatchObject({
      host: 'db',
      port: 5432,
      database: 'shop',
      slot: 'debezium',
      publication: 'dbz_publication',
      publicationMode: 'all_tables',
      snapshot: 'initial',
      unsupported: 'omit',
    })
    expect(c.envelope).toMatchObject(DEFAULT_ENVELOPE_SETTINGS)
  })

  it('gives what is asked for', () => {
    const c = debeziumConnector(
      new Map([
        ...base,
        ['skipped.operations', 'u, d'],
        ['tombstones.on.delete', 'false'],
        ['snapshot.mode', 'no_data'],
        ['publication.autocreate.mode', 'disabled'],
      ]),
      'c.properties',
    )
    expect(c.envelope).toMatchObject({ skipped: [117, 100], tombstones: false })
    expect(c.source).toMatchObject({ snapshot: 'never', publicationMode: 'existing' })
  })

  it.each([
    ['transforms', 'unwrap', 'TRB-ENV-002'],
    ['column.mask.with.many.chars', 'a.b.c', 'TRB-ENV-007'],
    ['column.mask.hash.v2.SHA-9.with.salt.s', 'a.b.c', 'TRB-ENV-002'],
    ['column.truncate.to.0.chars', 'a.b.c', 'TRB-ENV-002'],
    ['column.include.list', 'a.(b', 'TRB-ENV-002'],
    ['message.key.columns', 'a.b', 'TRB-ENV-002'],
    ['skip.messages.without.change', 'maybe', 'TRB-ENV-002'],
    ['no.such.setting', 'x', 'TRB-ENV-007'],
    ['heartbeat.interval.ms', 'often', 'TRB-ENV-002'],
    ['plugin.name', 'decoderbufs', 'TRB-ENV-002'],
    ['snapshot.mode', 'when_needed', 'TRB-ENV-002'],
    ['tombstones.on.delete', 'maybe', 'TRB-ENV-002'],
    ['skipped.operations', 'x', 'TRB-ENV-002'],
    ['field.name.adjustment.mode', 'snake', 'TRB-ENV-002'],
    ['connector.class', 'io.debezium.connector.mysql.MySqlConnector', 'TRB-ENV-002'],
  ])('%s=%s is refused by name, never left out', (option, value, code) => {
    expect(failureOf(withOption(option, value))).toBe(code)
  })

  it('a setting at its default is no reason to refuse', () => {
    expect(failureOf(withOption('heartbeat.interval.ms', '0'))).toBe(null)
  })
})

describe('--until', () => {
  it.each([
    [null, { kind: 'never' }],
    ['now', { kind: 'now' }],
    ['idle:1.5s', { kind: 'idle', ms: 1500 }],
    ['idle:200ms', { kind: 'idle', ms: 200 }],
    ['lsn:16/B374D848', { kind: 'position', at: '16/B374D848' }],
    ['binlog:bin.000003:1234', { kind: 'position', at: 'bin.000003:1234' }],
    ['count:100', { kind: 'count', count: 100 }],
  ])('%s', (text, until) => {
    expect(parseUntil('cdc tail', text)).toEqual(until)
  })

  it('anything else is refused', () => {
    expect(failureOf(() => parseUntil('cdc tail', 'idle'))).toBe('TRB-CLI-004')
  })
})

describe('saved position', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tributary-tail-'))
  afterAll(() => rmSync(dir, { recursive: true }))
  const state = { slot: 's', position: '0/1+1', skip: 3, encoder: null, lastPlace: '0/2', commitEnd: null }

  it('comes back as it was written', () => {
    expect(readTailState(join(dir, 'none'), 's')).toBe(null)
    writeTailState(join(dir, 'a'), state)
    expect(readTailState(join(dir, 'a'), 's')).toEqual(state)
  })

  it('of another slot, or a damaged one, is refused', () => {
    expect(failureOf(() => readTailState(join(dir, 'a'), 'other'))).toBe('TRB-ENV-008')
    writeTailState(join(dir, 'b'), state)
    writeFileSync(join(dir, 'b', 'tail.json'), '{"slot":"s"')
    expect(failureOf(() => readTailState(join(dir, 'b'), 's'))).toBe('TRB-ENV-008')
    writeFileSync(join(dir, 'b', 'tail.json'), '{"slot":"s"}')
    expect(failureOf(() => readTailState(join(dir, 'b'), 's'))).toBe('TRB-ENV-008')
  })
})
