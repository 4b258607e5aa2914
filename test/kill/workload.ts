import type { Client } from 'pg'

/** Seeded pseudo-random numbers (mulberry32): the same seed gives the same workload and the same moments. */
export function seeded(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Tables of the workload with the SQL that prints a row's columns as texts: `pg` on the server, `duck` over the Parquet files. */
export interface KillTable {
  readonly name: string
  readonly columns: readonly KillColumn[]
}

export interface KillColumn {
  readonly name: string
  readonly pg: string
  readonly duck: string
}

const plain = (name: string): KillColumn => ({ name, pg: `${name}::text`, duck: `${name}::varchar` })
const time = (name: string): KillColumn => ({
  name,
  pg: `to_char(${name} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`,
  duck: `strftime(${name} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f')`,
})

/** Columns that exist from the start; `extra` columns are added while the workload runs. */
export const TABLES: readonly KillTable[] = [
  { name: 'keyed', columns: [plain('id'), plain('a'), plain('n'), time('ts'), plain('b'), plain('j'), plain('u')] },
  { name: 'composite', columns: [plain('k1'), plain('k2'), plain('v')] },
  { name: 'toast', columns: [plain('id'), plain('big'), plain('small')] },
  { name: 'bag', columns: [plain('a'), plain('b')] },
  { name: 'account', columns: [plain('id'), plain('balance')] },
  { name: 'ledger', columns: [plain('id'), plain('account'), plain('amount')] },
]

export const START_BALANCE = 1000
export const ACCOUNTS = 50

/** Creates the tables in schema `k` and fills them with `rows` rows each. */
export async function createTables(db: Client, rows: number): Promise<void> {
  await db.query(`
    CREATE SCHEMA k;
    CREATE TABLE k.keyed (id bigint PRIMARY KEY, a text, n numeric(12,2), ts timestamptz, b boolean, j jsonb, u uuid);
    CREATE TABLE k.composite (k1 int, k2 text, v int, PRIMARY KEY (k1, k2));
    CREATE TABLE k.toast (id int PRIMARY KEY, big text, small int);
    ALTER TABLE k.toast ALTER COLUMN big SET STORAGE EXTERNAL;
    CREATE TABLE k.bag (a int, b text);
    ALTER TABLE k.bag REPLICA IDENTITY FULL;
    CREATE TABLE k.account (id int PRIMARY KEY, balance bigint NOT NULL);
    CREATE TABLE k.ledger (id bigserial PRIMARY KEY, account int, amount bigint);
    INSERT INTO k.keyed SELECT i, 'row ' || i, i * 1.25, '2026-01-01Z'::timestamptz + i * interval '1 second', i % 3 = 0,
      jsonb_build_object('i', i, 't', repeat('x', i % 50)), md5(i::text)::uuid FROM generate_series(1, ${rows}) i;
    INSERT INTO k.composite SELECT i % 100, 'k' || i, i FROM generate_series(1, ${rows}) i;
    INSERT INTO k.toast SELECT i, repeat(md5(i::text), 100), i FROM generate_series(1, ${Math.ceil(rows / 10)}) i;
    INSERT INTO k.bag SELECT i % 20, 'b' || i % 7 FROM generate_series(1, ${Math.ceil(rows / 10)}) i;
    INSERT INTO k.account SELECT i, ${START_BALANCE} FROM generate_series(1, ${ACCOUNTS}) i;
  `)
}

/** Runs random transactions one after another; `pause` lets the one that is running end first. */
export class Workload {
  transactions = 0
  /** Columns added to k.keyed so far. */
  readonly added: string[] = []
  private readonly db: Client
  private readonly random: () => number
  private running: Promise<void> | null = null
  private stop = false
  private nextId: number

  constructor(db: Client, random: () => number, rows: number) {
    this.db = db
    this.random = random
    this.nextId = rows + 1
  }

  start(): void {
    this.stop = false
    this.running = this.loop()
  }

  async pause(): Promise<void> {
    this.stop = true
    await this.running
    this.running = null
  }

  async close(): Promise<void> {
    await this.pause()
    await this.db.end()
  }

  private async loop(): Promise<void> {
    while (!this.stop) {
      await this.transaction()
      this.transactions++
      if (this.random() < 0.1) await new Promise((r) => setTimeout(r, this.random() * 30))
    }
  }

  private async transaction(): Promise<void> {
    const r = this.random()
    if (r < 0.004) return await this.addColumn()
    const statements = r < 0.02 ? 300 : 1 + this.pick(6)
    const parts: string[] = []
    for (let i = 0; i < statements; i++) parts.push(this.statement())
    if (r > 0.5) parts.push(...this.transfer())
    const end = r > 0.97 ? 'ROLLBACK' : 'COMMIT'
    await this.db.query(`BEGIN; ${parts.join('; ')}; ${end}`)
  }

  private async addColumn(): Promise<void> {
    const name = `extra_${this.added.length + 1}`
    const type = ['int', 'text', 'numeric(20,4)', 'bigint'][this.pick(4)]
    await this.db.query(`ALTER TABLE k.keyed ADD COLUMN ${name} ${type}`)
    await this.db.query(`UPDATE k.keyed SET ${name} = ${this.pick(1000)} WHERE id % 97 = ${this.pick(97)}`)
    this.added.push(name)
  }

  /** Money moves between accounts; the ledger says by how much: the sums agree in every state of the database. */
  private transfer(): string[] {
    const account = 1 + this.pick(ACCOUNTS)
    const amount = this.pick(200) - 100
    return [
      `UPDATE k.account SET balance = balance + ${amount} WHERE id = ${account}`,
      `INSERT INTO k.ledger (account, amount) VALUES (${account}, ${amount})`,
    ]
  }

  private statement(): string {
    const id = 1 + this.pick(this.nextId)
    const text = `'${'é€x'[this.pick(3)]}${this.pick(1e6)}'`
    switch (this.pick(14)) {
      case 0:
      case 1:
        return `INSERT INTO k.keyed (id, a, n, ts, b) VALUES (${this.nextId++}, ${text}, ${this.pick(1e6)}.5, now(), null)`
      case 2:
      case 3:
        return `UPDATE k.keyed SET a = ${text}, n = n + 1, b = ${this.pick(3) === 0}, j = '{"v": ${this.pick(100)}}' WHERE id = ${id}`
      case 4:
        return `DELETE FROM k.keyed WHERE id = ${id}`
      case 5:
        return `UPDATE k.keyed SET id = ${this.nextId++} WHERE id = ${id}`
      case 6:
        return `INSERT INTO k.composite VALUES (${this.pick(100)}, 'n${this.pick(1000)}', 1) ON CONFLICT (k1, k2) DO UPDATE SET v = k.composite.v + 1`
      case 7:
        return `UPDATE k.composite SET v = v + 1 WHERE k1 = ${this.pick(100)} AND v % 9 = ${this.pick(9)}`
      case 8:
        return `DELETE FROM k.composite WHERE k1 = ${this.pick(100)} AND v % 31 = 0`
      case 9:
        return `UPDATE k.toast SET small = small + 1 WHERE id % 50 = ${this.pick(50)}`
      case 10:
        return `UPDATE k.toast SET big = repeat(${text}, 600) WHERE id % 300 = ${this.pick(300)}`
      case 11:
        return `INSERT INTO k.bag VALUES (${this.pick(20)}, ${this.random() < 0.2 ? 'null' : `'b${this.pick(7)}'`})`
      case 12:
        return `UPDATE k.bag SET b = ${text} WHERE ctid = (SELECT min(ctid) FROM k.bag WHERE a = ${this.pick(20)})`
      default:
        return `DELETE FROM k.bag WHERE ctid = (SELECT max(ctid) FROM k.bag WHERE a = ${this.pick(20)})`
    }
  }

  private pick(n: number): number {
    return Math.floor(this.random() * n)
  }
}
