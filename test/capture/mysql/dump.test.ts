import { expect, test } from 'vitest'
import { type DumpRequest, dumpCommands } from '../../../src/capture/mysql/dump.ts'

/** One byte beyond what 32 bits can say. */
const FAR = 2 ** 32
const request = (pos: number, byGtid = false): DumpRequest => {
  const from = { file: 'bin.000001', pos, gtids: byGtid ? '0-1-5' : null }
  return { serverId: 7, name: 'n', from, byGtid, checksum: true, includeQuery: false }
}

test('a place of a file beyond 4 GiB is refused where the command has no room for it (TRB-MY-025), never cut to another place', () => {
  expect(() => dumpCommands('mariadb', request(FAR))).toThrow('TRB-MY-025')
  // packet length:u24 number:u8, command:u8, then the place.
  expect(dumpCommands('mariadb', request(FAR - 1))[1]!.readUInt32LE(5)).toBe(FAR - 1)
})

test('MySQL is asked for it in 64 bits, MariaDB by its GTIDs', () => {
  const place = 4 + 11 + 'bin.000001'.length
  expect(dumpCommands('mysql', request(FAR))[1]!.readBigUInt64LE(place)).toBe(BigInt(FAR))
  expect(dumpCommands('mariadb', request(FAR, true))[1]!.readUInt32LE(5)).toBe(4)
})
