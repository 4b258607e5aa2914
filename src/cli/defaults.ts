import { choice, text } from './flag.ts'

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

export const sourceFlag = choice({ help: 'kind of the source database', choices: ['pg'], default: 'pg' })
export const urlFlag = text({
  help: 'connection URL; its parts default to DATABASE_URL, then PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE',
  placeholder: 'URL',
  secret: true,
})
