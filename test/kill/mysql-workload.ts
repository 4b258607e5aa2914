import type mysql from 'mysql2/promise'
import { ACCOUNTS, START_BALANCE } from './workload.ts'

/** A column with the SQL that prints its values as texts: `sql` at the server, `duck` over the Parquet files. */
export interface MysqlColumn {
  readonly name: string
  readonly sql: string
  readonly duck: string
}

const plain = (name: string): MysqlColumn => ({ name, sql: `CAST(${name} AS CHAR)`, duck: `${name}::varchar` })
const time = (name: string): MysqlColumn => ({
  name,
  sql: `DATE_FORMAT(${name}, '%Y-%m-%d %H:%i:%s.%f')`,
  duck: `strftime(${name}::timestamp, '%Y-%m-%d %H:%M:%S.%f')`,
})

export const MYSQL_TABLES: readonly { readonly name: string; readonly columns: readonly MysqlColumn[] }[] = [
  { name: 'keyed', columns: [plain('id'), plain('a'), plain('n'), time('ts'), plain('b'), plain('e')] },
  { name: 'composite', columns: [plain('k1'), plain('k2'), plain('v')] },
  { name: 'wide', columns: [plain('id'), plain('big'), plain('small')] },
  { name: 'bag', columns: [plain('a'), plain('b')] },
  { name: 'account', columns: [plain('id'), plain('balance')] },
  { name: 'ledger', columns: [plain('id'), plain('account'), plain('amount')] },
]

/** Creates the tables in the database `k` of the connection and fills them with `rows` rows each. */
export async function createMysqlTables(db: mysql.Connection, rows: number): Promise<void> {
  await db.query(`
    CREATE TABLE keyed (id BIGINT PRIMARY KEY, a VARCHAR(100), n DECIMAL(12,2), ts DATETIME(6), b TINYINT, e ENUM('x','y','z'));
    CREATE TABLE composite (k1 INT, k2 VARCHAR(40), v INT, PRIMARY KEY (k1, k2));
    CREATE TABLE wide (id INT PRIMARY KEY, big LONGTEXT, small INT);
    CREATE TABLE bag (a INT, b VARCHAR(40));
    CREATE TABLE account (id INT PRIMARY KEY, balance BIGINT NOT NULL);
    CREATE TABLE ledger (id BIGINT AUTO_INCREMENT PRIMARY KEY, account INT, amount BIGINT);
    CREATE TABLE n (i INT PRIMARY KEY)`)
  for (let from = 1; from <= rows; from += 1000) {
    const numbers = Array.from({ length: Math.min(1000, rows - from + 1) }, (_, i) => `(${from + i})`)
    await db.query(`INSERT INTO n VALUES ${numbers.join(',')}`)
  }
  const few = Math.ceil(rows / 10)
  await db.query(`
    INSERT INTO keyed SELECT i, CONCAT('row ', i), i * 1.25, TIMESTAMP('2026-01-01') + INTERVAL i SECOND, i % 3 = 0, 1 + i % 3 FROM n;
    INSERT INTO composite SELECT i % 100, CONCAT('k', i), i FROM n;
    INSERT INTO wide SELECT i, REPEAT(SHA2(i, 256), 50), i FROM n WHERE i <= ${few};
    INSERT INTO bag SELECT i % 20, CONCAT('b', i % 7) FROM n WHERE i <= ${few};
    INSERT INTO account SELECT i, ${START_BALANCE} FROM n WHERE i <= ${ACCOUNTS};
    DROP TABLE n`)
}

/** Runs random transactions one after another; `pause` lets the one that is running end first. */
export class MysqlWorkload {
  transactions = 0
  /** Columns added to `keyed` so far. */
  readonly added: string[] = []
  readonly #db: mysql.Connection
  readonly #random: () => number
  #running: Promise<void> | null = null
  #stop = false
  #nextId: number

  constructor(db: mysql.Connection, random: () => number, rows: number) {
    this.#db = db
    this.#random = random
    this.#nextId = rows + 1
  }

  start(): void {
    this.#stop = false
    this.#running = this.#loop()
  }

  async pause(): Promise<void> {
    this.#stop = true
    await this.#running
    this.#running = null
  }

  async close(): Promise<void> {
    await this.pause()
    await this.#db.end()
  }

  async #loop(): Promise<void> {
    while (!this.#stop) {
      await this.#transaction()
      this.transactions++
      if (this.#random() < 0.1) await new Promise((r) => setTimeout(r, this.#random() * 30))
    }
  }

  async #transaction(): Promise<void> {
    const r = this.#random()
    if (r < 0.004) return await this.#addColumn()
    if (r < 0.007) {
      await this.#db.query('FLUSH BINARY LOGS')
      return
    }
    const statements = r < 0.02 ? 300 : 1 + this.#pick(6)
    const parts: string[] = []
    for (let i = 0; i < statements; i++) parts.push(this.#statement())
    if (r > 0.5) parts.push(...this.#transfer())
    const end = r > 0.97 ? 'ROLLBACK' : 'COMMIT'
    await this.#db.query(`BEGIN; ${parts.join('; ')}; ${end}`)
  }

  async #addColumn(): Promise<void> {
    const name = `extra_${this.added.length + 1}`
    const type = ['INT', 'VARCHAR(50)', 'DECIMAL(20,4)', 'BIGINT'][this.#pick(4)]
    await this.#db.query(`ALTER TABLE keyed ADD COLUMN ${name} ${type}`)
    await this.#db.query(`UPDATE keyed SET ${name} = ${this.#pick(1000)} WHERE id % 97 = ${this.#pick(97)}`)
    this.added.push(name)
  }

  /** Money moves between accounts; the ledger says by how much: the sums agree in every state of the database. */
  #transfer(): string[] {
    const account = 1 + this.#pick(ACCOUNTS)
    const amount = this.#pick(200) - 100
    return [
      `UPDATE account SET balance = balance + ${amount} WHERE id = ${account}`,
      `INSERT INTO ledger (account, amount) VALUES (${account}, ${amount})`,
    ]
  }

  #statement(): string {
    const id = 1 + this.#pick(this.#nextId)
    const text = `'${'é€x'[this.#pick(3)]}${this.#pick(1e6)}'`
    switch (this.#pick(14)) {
      case 0:
      case 1:
        return `INSERT INTO keyed (id, a, n, ts, b) VALUES (${this.#nextId++}, ${text}, ${this.#pick(1e6)}.5, NOW(6), NULL)`
      case 2:
      case 3:
        return `UPDATE keyed SET a = ${text}, n = n + 1, b = ${this.#pick(3)}, e = ${1 + this.#pick(3)} WHERE id = ${id}`
      case 4:
        return `DELETE FROM keyed WHERE id = ${id}`
      case 5:
        return `UPDATE keyed SET id = ${this.#nextId++} WHERE id = ${id}`
      case 6:
        return `INSERT INTO composite VALUES (${this.#pick(100)}, 'n${this.#pick(1000)}', 1) ON DUPLICATE KEY UPDATE v = v + 1`
      case 7:
        return `UPDATE composite SET v = v + 1 WHERE k1 = ${this.#pick(100)} AND v % 9 = ${this.#pick(9)}`
      case 8:
        return `DELETE FROM composite WHERE k1 = ${this.#pick(100)} AND v % 31 = 0`
      case 9:
        return `UPDATE wide SET small = small + 1 WHERE id % 50 = ${this.#pick(50)}`
      case 10:
        return `UPDATE wide SET big = REPEAT(${text}, 600) WHERE id % 300 = ${this.#pick(300)}`
      case 11:
        return `INSERT INTO bag VALUES (${this.#pick(20)}, ${this.#random() < 0.2 ? 'NULL' : `'b${this.#pick(7)}'`})`
      case 12:
        return `UPDATE bag SET b = ${text} WHERE a = ${this.#pick(20)} LIMIT 1`
      default:
        return `DELETE FROM bag WHERE a = ${this.#pick(20)} LIMIT 1`
    }
  }

  #pick(n: number): number {
    return Math.floor(this.#random() * n)
  }
}
