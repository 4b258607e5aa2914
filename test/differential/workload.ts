import { type Dice, dice } from '../interop/dice.ts'
import type { Flavor } from '../support/mysql.ts'
import { type ColumnKind, columnKinds } from './column-kinds.ts'

interface TableColumn {
  readonly name: string
  readonly kind: ColumnKind
  readonly nullable: boolean
}

interface Table {
  name: string
  columns: TableColumn[]
  key: string[]
}

/** Runs statements; false: the server refused one, and took nothing of it. */
export type Run = (sql: string) => Promise<boolean>

/** What a seed stands for: a database with some tables, and a random life of them. */
export class Workload {
  readonly database: string
  readonly #d: Dice
  readonly #kinds: readonly ColumnKind[]
  readonly #tables: Table[] = []
  readonly #run: Run
  #names = 0
  #before = true

  constructor(seed: number, flavor: Flavor, run: Run) {
    this.#d = dice(seed)
    this.database = `dz_${seed}`
    this.#kinds = columnKinds(flavor)
    this.#run = run
  }

  /** Tables and rows that the snapshot will show. */
  async setUp(): Promise<void> {
    const d = this.#d
    await this.#run(`CREATE DATABASE ${this.database} CHARACTER SET ${d.one(['utf8mb4', 'utf8mb4', 'latin1'])}`)
    await this.#run(`USE ${this.database}`)
    const tables = 1 + d.below(3)
    for (let i = 0; i < tables; i++) await this.#create()
    this.#before = false
    for (const t of this.#tables) if (d.below(5) > 0) await this.#insert(t, 1 + d.below(4))
  }

  /** Changes of shape: at most one for each table, so that readers that look at the catalogue see each shape once they are at it. */
  async reshape(): Promise<void> {
    const d = this.#d
    await this.#run(`USE ${this.database}`)
    for (const t of [...this.#tables]) if (d.below(2) === 0) await this.#reshapeOne(t)
    if (this.#tables.length < 5 && d.below(4) === 0) await this.#create()
    if (d.below(6) === 0) await this.#noise()
  }

  /** Rows: some transactions, some of them taken back. */
  async change(): Promise<void> {
    const d = this.#d
    await this.#run(`USE ${this.database}`)
    const transactions = 1 + d.below(3)
    for (let i = 0; i < transactions; i++) {
      const end = d.below(8) === 0 ? 'ROLLBACK' : 'COMMIT'
      const single = d.below(3) === 0
      if (!single) await this.#run('BEGIN')
      const statements = single ? 1 : 1 + d.below(4)
      for (let n = 0; n < statements; n++) await this.#statement()
      if (!single && d.below(5) === 0) await this.#savepoint()
      if (!single) await this.#run(end)
    }
  }

  async #savepoint(): Promise<void> {
    await this.#run('SAVEPOINT s1')
    await this.#statement()
    await this.#run(this.#d.flip() ? 'ROLLBACK TO SAVEPOINT s1' : 'RELEASE SAVEPOINT s1')
    await this.#statement()
  }

  async #statement(): Promise<void> {
    const d = this.#d
    if (this.#tables.length === 0) return
    const t = d.one(this.#tables)
    switch (d.below(8)) {
      case 0:
      case 1:
      case 2:
        return this.#insert(t, 1 + d.below(3))
      case 3:
      case 4:
        return this.#update(t)
      case 5:
        await this.#run(`DELETE FROM ${t.name} ORDER BY ${t.columns[0]!.name} LIMIT ${1 + d.below(2)}`)
        return
      case 6:
        await this.#run(`REPLACE INTO ${t.name} (${names(t)}) VALUES ${this.#row(t)}`)
        return
      default: {
        const c = d.one(t.columns)
        await this.#run(
          `INSERT INTO ${t.name} (${names(t)}) VALUES ${this.#row(t)} ON DUPLICATE KEY UPDATE ${c.name} = ${this.#value(t, c)}`,
        )
      }
    }
  }

  async #insert(t: Table, rows: number): Promise<void> {
    await this.#run(`INSERT INTO ${t.name} (${names(t)}) VALUES ${Array.from({ length: rows }, () => this.#row(t)).join(', ')}`)
  }

  async #update(t: Table): Promise<void> {
    const d = this.#d
    const assigned = d.some(t.columns, 1 + d.below(3)).map((c) => `${c.name} = ${this.#value(t, c)}`)
    await this.#run(`UPDATE ${t.name} SET ${assigned.join(', ')} ORDER BY ${t.columns[0]!.name} LIMIT ${1 + d.below(2)}`)
  }

  #row(t: Table): string {
    return `(${t.columns.map((c) => this.#value(t, c)).join(', ')})`
  }

  #value(t: Table, c: TableColumn): string {
    if (c.nullable && !t.key.includes(c.name) && this.#d.below(6) === 0) return 'NULL'
    return c.kind.literal(this.#d)
  }

  async #create(): Promise<void> {
    const d = this.#d
    const keys = this.#kinds.filter((k) => k.key)
    const t: Table = { name: `t${this.#names++}`, columns: [], key: [] }
    const keyed = d.below(8) > 0
    if (keyed) {
      const parts = 1 + (d.below(3) === 0 ? 1 : 0)
      for (let i = 0; i < parts; i++) t.columns.push({ name: this.#name(), kind: d.one(keys), nullable: false })
      t.key = t.columns.map((c) => c.name)
    }
    const columns = 1 + d.below(9)
    for (let i = 0; i < columns; i++) t.columns.push(this.#column())
    const definitions = t.columns.map((c) => this.#definition(c))
    if (keyed) definitions.push(`${d.flip() ? 'PRIMARY KEY' : `UNIQUE KEY u_${t.name}`} (${t.key.join(', ')})`)
    const options = d.one(['', '', ' CHARACTER SET latin1', " COMMENT 'a table; of it'", ' ENGINE=InnoDB'])
    if (await this.#run(`CREATE TABLE ${t.name} (${definitions.join(', ')})${options}`)) this.#tables.push(t)
  }

  #column(): TableColumn {
    const d = this.#d
    const kind = d.one(this.#kinds.filter((k) => this.#before || k.beforeOnly !== true))
    // Rows from before would have no bytes at all, at which Debezium stops.
    const filled = this.#before || !/^(POINT|VECTOR)/.test(kind.type)
    return { name: this.#name(), kind, nullable: kind.nullOnly === true || !filled || d.below(4) > 0 }
  }

  #name(): string {
    return `${this.#d.one(['c', 'col', 'Mixed', 'under_score'])}${this.#names++}`
  }

  #definition(c: TableColumn): string {
    const d = this.#d
    const type = c.nullable ? c.kind.type : c.kind.type.replace(/ NULL$/, '')
    const preset = c.kind.preset !== null && d.below(4) === 0 ? ` DEFAULT ${c.kind.preset(d)}` : ''
    const zero = !c.nullable && /^TIMESTAMP/.test(c.kind.type) && preset === '' ? " DEFAULT '2000-01-01 00:00:00'" : preset
    // A comment on a geometry stops Debezium where comments are shown.
    const comment = d.below(6) === 0 && !c.kind.literal(d).startsWith('ST_') ? " COMMENT 'what; it is'" : ''
    return `${c.name} ${type}${c.nullable ? '' : ' NOT NULL'}${zero}${comment}`
  }

  async #reshapeOne(t: Table): Promise<void> {
    const d = this.#d
    const free = t.columns.filter((c) => !t.key.includes(c.name))
    switch (d.below(10)) {
      case 0:
      case 1: {
        const added = this.#column()
        const place = d.below(3)
        const after = d.below(t.columns.length)
        const where = place === 0 ? '' : place === 1 ? ' FIRST' : ` AFTER ${t.columns[after]!.name}`
        if (await this.#run(`ALTER TABLE ${t.name} ADD COLUMN ${this.#definition(added)}${where}`))
          t.columns.splice(place === 0 ? t.columns.length : place === 1 ? 0 : after + 1, 0, added)
        return
      }
      case 2: {
        if (free.length < 2) return
        const gone = d.one(free)
        if (await this.#run(`ALTER TABLE ${t.name} DROP COLUMN ${gone.name}`)) t.columns = t.columns.filter((c) => c !== gone)
        return
      }
      case 3: {
        const c = d.one(t.columns)
        const name = this.#name()
        const renamed: TableColumn = { ...c, name }
        const how = d.flip() ? `RENAME COLUMN ${c.name} TO ${name}` : `CHANGE COLUMN ${c.name} ${this.#definition(renamed)}`
        if (await this.#run(`ALTER TABLE ${t.name} ${how}`)) this.#replace(t, c, renamed)
        return
      }
      case 4: {
        if (free.length === 0) return
        const c = d.one(free)
        const other: TableColumn = { ...this.#column(), name: c.name, nullable: true }
        if (await this.#run(`ALTER TABLE ${t.name} MODIFY COLUMN ${this.#definition(other)}`)) this.#replace(t, c, other)
        return
      }
      case 5: {
        const name = `t${this.#names++}`
        const how = d.flip() ? `RENAME TABLE ${t.name} TO ${name}` : `ALTER TABLE ${t.name} RENAME TO ${name}`
        if (await this.#run(how)) t.name = name
        return
      }
      case 6:
        await this.#run(`TRUNCATE TABLE ${t.name}`)
        return
      case 7:
        if (await this.#run(`DROP TABLE ${t.name}`)) this.#tables.splice(this.#tables.indexOf(t), 1)
        return
      case 8: {
        const copy: Table = { ...t, name: `t${this.#names++}` }
        if (await this.#run(`CREATE TABLE ${copy.name} LIKE ${t.name}`)) this.#tables.push(copy)
        return
      }
      default: {
        // Debezium does not read a default of BIT in this statement.
        const c = free.find((f) => f.kind.preset !== null && !f.kind.type.startsWith('BIT') && !/CURRENT/.test(f.kind.preset(d)))
        if (c === undefined) return
        await this.#run(`ALTER TABLE ${t.name} ALTER COLUMN ${c.name} ${d.flip() ? 'DROP DEFAULT' : `SET DEFAULT ${c.kind.preset!(d)}`}`)
      }
    }
  }

  #replace(t: Table, was: TableColumn, is: TableColumn): void {
    t.columns = t.columns.map((c) => (c === was ? is : c))
    t.key = t.key.map((k) => (k === was.name ? is.name : k))
  }

  /** Statements that change no table that is captured. */
  async #noise(): Promise<void> {
    const d = this.#d
    const n = this.#names++
    const t = this.#tables[0]?.name ?? 'none'
    await this.#run(
      d.one([
        `CREATE VIEW v${n} AS SELECT * FROM ${t}`,
        `CREATE INDEX i${n} ON ${t} (${this.#tables[0]?.columns[0]?.name ?? 'x'})`,
        `ANALYZE TABLE ${t}`,
        `ALTER TABLE ${t} COMMENT 'changed'`,
        `CREATE PROCEDURE p${n}() BEGIN SELECT 1; END`,
        `CREATE TEMPORARY TABLE tmp${n} (a INT)`,
        `ALTER DATABASE ${this.database} CHARACTER SET latin1`,
        `FLUSH TABLES`,
      ]),
    )
  }
}

function names(t: Table): string {
  return t.columns.map((c) => c.name).join(', ')
}
