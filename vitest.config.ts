import { defineConfig } from 'vitest/config'

// The suffix of a test file says which service it needs: .test.ts none, .prop.test.ts none (fast-check), .pg.test.ts Postgres,
// .s3.test.ts an S3 server, .kafka.test.ts a Kafka broker, .mysql.test.ts MySQL and MariaDB, .interop.test.ts Spark, hudi-rs and others.
// Only the services of the files that are run get started.
const services = ['pg', 's3', 'kafka', 'mysql', 'interop', 'kill', 'slow']
const withService = services.map((s) => `**/*.${s}.test.ts`)

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    // Nobody waits for these in vain: they are for a machine that does much else.
    testTimeout: 60_000,
    hookTimeout: 180_000,
    env: { TZ: 'UTC' },
    projects: [
      // What is pure leaves nothing behind for the next file of its worker: loading the modules anew for each would cost a quarter more.
      {
        extends: true,
        test: { name: 'pure', isolate: false, include: ['test/**/*.test.ts'], exclude: ['test/golden/**', ...withService] },
      },
      {
        extends: true,
        test: {
          name: 'pg',
          include: ['test/**/*.pg.test.ts'],
          globalSetup: ['test/support/postgres-server.ts'],
          testTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 's3',
          include: ['test/**/*.s3.test.ts'],
          globalSetup: ['test/support/s3-server.ts', 'test/support/postgres-server.ts'],
          testTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'kafka',
          include: ['test/**/*.kafka.test.ts'],
          globalSetup: ['test/support/kafka-server.ts', 'test/support/postgres-server.ts'],
          testTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'mysql',
          include: ['test/**/*.mysql.test.ts'],
          // The suites change settings of the servers, and what one of them writes is in the binlog of all.
          fileParallelism: false,
          globalSetup: ['test/support/mysql-server.ts'],
          testTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'interop',
          include: ['test/**/*.interop.test.ts'],
          globalSetup: ['test/support/postgres-server.ts', 'test/support/spark-servers.ts'],
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
})
