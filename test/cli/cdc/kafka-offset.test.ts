import { describe, expect, test } from 'vitest'
import { cursorOfOffset, offsetOfCursor } from '../../../src/cli/cdc/kafka-offset.ts'

const UUID = 'e216972d-e559-11f1-bd40-02fc00000001'

describe('offsets of Kafka Connect for positions of MySQL and MariaDB', () => {
  test.each([
    ['between transactions', { ts_sec: 1795232265, file: 'bin.000003', pos: 1256, gtids: `${UUID}:1-4` }],
    ['of MariaDB', { ts_sec: 1795232162, file: 'bin.000001', pos: 1070, gtids: '0-2-4' }],
    ['of a server without GTIDs', { ts_sec: 1795232162, file: 'bin.000001', pos: 1070 }],
  ])('one %s is a boundary, and comes back as it was', (_, offset) => {
    const { cursor, repeats } = cursorOfOffset(JSON.stringify(offset), 'shop')
    expect(repeats).toBe(false)
    expect(cursor).toMatchObject({ source: 'shop', boundary: true, consistent: true, commitUs: BigInt(offset.ts_sec) * 1_000_000n })
    expect(JSON.parse(offsetOfCursor(cursor))).toEqual({ ...offset, server_id: 0 })
  })

  test('one inside a transaction keeps the place in it', () => {
    const offset = { ts_sec: 1795232265, file: 'bin.000003', pos: 1256, gtids: `${UUID}:1-4`, row: 2, event: 3, server_id: 1 }
    const { cursor } = cursorOfOffset(JSON.stringify(offset), 'shop')
    expect(cursor.boundary).toBe(false)
    expect(JSON.parse(offsetOfCursor(cursor))).toEqual({ ...offset, server_id: 0 })
  })

  test('of an unfinished snapshot there is nothing to go on from', () => {
    const offset = { ts_sec: 1795232265, file: 'bin.000003', pos: 1256, snapshot: 'INITIAL' }
    expect(() => cursorOfOffset(JSON.stringify(offset), 'shop')).toThrow(/TRB-MY-022/)
  })

  test('one of Postgres is still one of Postgres', () => {
    const { cursor } = cursorOfOffset(
      '{"lsn_proc":37124488,"messageType":"COMMIT","lsn_commit":37124488,"lsn":37124488,"ts_usec":1}',
      'shop',
    )
    expect(cursor.at).toMatch(/^[0-9A-F]+\/[0-9A-F]+/)
    expect(JSON.parse(offsetOfCursor(cursor))).toMatchObject({ lsn_commit: 37124488 })
  })
})
