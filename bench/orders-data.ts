import pg from 'pg'
import type { Figure } from './measure.ts'

/**
 * The table and load that Debezium's own figures were taken with: 10 columns, about 190 bytes a row, transactions of 1,000 rows.
 * Deterministic: the rows depend on their number alone.
 */
export const TABLE = `CREATE TABLE bench_orders (
  id bigint PRIMARY KEY, customer_id bigint NOT NULL, status varchar(20), qty int, price double precision, amount numeric(12,2),
  created_at timestamp(6), note varchar(200), active boolean, email varchar(100))`

const LOAD = `CREATE PROCEDURE bench_load(start bigint, n bigint, per int) LANGUAGE plpgsql AS $$
DECLARE i bigint := start;
BEGIN
  WHILE i < start + n LOOP
    INSERT INTO bench_orders SELECT g, g % 977, (ARRAY['NEW','PAID','PACKED','SHIPPED','DELIVERED'])[1 + g % 5], (g * 7) % 1000,
      (g % 100000) / 7.0, ((g * 13) % 1000000) / 100.0, timestamp '2026-01-01' + g * interval '1 millisecond',
      CASE WHEN g % 3 > 0 THEN 'some note about order number ' || g || ', long enough to make the row about two hundred bytes wide '
        || md5(g::text) END, g % 2 = 0, 'user' || g || '@example.com'
      FROM generate_series(i, i + per - 1) g;
    COMMIT;
    i := i + per;
  END LOOP;
END $$`

/** Debezium 3.6.1 with its Avro converter on this table and load, JVM start left out of the CPU seconds (median of three runs). */
const recorded = 'taken on a quiet virtual machine, 2 cores AMD EPYC, Java 25, 2026-11-21'
export const DEBEZIUM_STREAM: Figure = { rows: 1e6, wallS: 45.2, cpuS: 63.9, rssMb: 627, recorded }
export const DEBEZIUM_SNAPSHOT: Figure = { rows: 1e6, wallS: 26.8, cpuS: 41.6, rssMb: 1016, recorded }

export async function createTable(client: pg.Client): Promise<void> {
  await client.query(TABLE)
  await client.query(LOAD)
}

export async function load(client: pg.Client, rows: number, perTransaction = 1000): Promise<void> {
  await client.query(`CALL bench_load(1, ${rows}, ${perTransaction})`)
}

/** A connection for one piece of work. */
export async function withClient<T>(url: string, work: (c: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
