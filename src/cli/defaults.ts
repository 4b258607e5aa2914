import { choice, integer, text } from './flag.ts'

/** Flags that several verbs share, so that they mean the same everywhere. */
export const lakeFlag = text({ help: 'where the lake is: a directory, or s3://BUCKET/PREFIX', placeholder: 'URI', default: './lake' })
export const stateFlag = text({
  help: 'state directory: the embedded log, source position, schemas',
  placeholder: 'DIR',
  default: './.tributary',
})
export const nameFlag = text({
  help: 'name of this flow; slot, publication and log cursor are named after it',
  placeholder: 'NAME',
  default: 'tributary',
})

export const sourceFlag = choice({ help: 'kind of the source database', choices: ['pg', 'mysql', 'mariadb'], default: 'pg' })
export const urlFlag = text({
  help: 'connection URL; its parts default to DATABASE_URL, then PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE; for MySQL and MariaDB MYSQL_HOST, MYSQL_TCP_PORT, MYSQL_USER, MYSQL_PWD, MYSQL_DATABASE',
  placeholder: 'URL',
  secret: true,
})

/** Flags of MySQL and MariaDB as sources. */
export const serverIdFlag = integer({
  help: 'MySQL, MariaDB: number of this reader among the replicas of the server; two readers never share one',
  min: 1,
  max: 4294967295,
  defaultText: 'made from --name',
})
export const lockingFlag = choice({
  help: 'MySQL, MariaDB: how writers are held for the moment in which the snapshot begins. minimal: FLUSH TABLES WITH READ LOCK (MariaDB needs none), tables: LOCK TABLES of the captured ones, none: not at all (MariaDB)',
  choices: ['minimal', 'tables', 'none'],
  default: 'minimal',
})
