import { GtidList } from './gtid-list.ts'
import { GtidSet } from './gtid-set.ts'

/** GTIDs of either server: a set of MySQL's, or a position of MariaDB's. */
export type Gtids = GtidSet | GtidList

/** A MariaDB text begins `n-n-n`, a MySQL one with a uuid. Null: neither. The empty text is an empty set of the flavor. */
export function parseGtids(text: string, flavor: 'mysql' | 'mariadb'): Gtids | null {
  return flavor === 'mariadb' ? GtidList.parse(text) : GtidSet.parse(text)
}

/** Which server a non-empty text is of. */
export function flavorOf(text: string): 'mysql' | 'mariadb' {
  return /^\s*\d{1,10}-\d{1,10}-\d+/.test(text) && !/^\s*[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-/i.test(text) ? 'mariadb' : 'mysql'
}

/** Every transaction of `b` is in `a`. Sets of different servers cover nothing of each other. */
export function covers(a: Gtids, b: Gtids): boolean {
  if (a instanceof GtidSet) return b instanceof GtidSet && a.covers(b)
  return b instanceof GtidList && a.covers(b)
}
