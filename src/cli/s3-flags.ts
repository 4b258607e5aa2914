import { DEFAULT_S3_OPTIONS, type S3Options } from '../storage/s3/s3-options.ts'
import { bool, choice, size, text } from './flag.ts'

/** Flags of every verb that takes a lake or a table: how an s3:// place is reached. Credentials come from where the AWS SDK looks for them. */
export const s3Flags = {
  's3-endpoint': text({
    help: 's3://: URL of an S3-compatible service; also AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL',
    placeholder: 'URL',
  }),
  's3-region': text({ help: 's3://: region of the bucket', placeholder: 'REGION', defaultText: 'as the AWS SDK finds it' }),
  's3-path-style': bool({ help: 's3://: http://host/bucket/key instead of http://bucket.host/key; always with an endpoint' }),
  's3-writes': choice({
    help: 's3://: conditional: the service decides who wins a race; claims: for a service without conditional writes, slower and weaker',
    choices: ['conditional', 'claims'],
    default: 'conditional',
  }),
}

export interface S3FlagValues {
  readonly 's3-endpoint': string | null
  readonly 's3-region': string | null
  readonly 's3-path-style': boolean
  readonly 's3-writes': 'conditional' | 'claims'
}

/** Flags of verbs that run SQL over files: those of a remote lake are copied to this machine first. */
export const cacheFlags = {
  'cache-dir': text({
    help: 's3://: directory for copies of data files, shared by queries',
    placeholder: 'DIR',
    defaultText: '$XDG_CACHE_HOME/tributary or ~/.cache/tributary',
  }),
  'cache-bytes': size({ help: 's3://: most that the copies may take; one query may not need more', default: 16 * 1024 ** 3 }),
}

export interface CacheFlagValues {
  readonly 'cache-dir': string | null
  readonly 'cache-bytes': number
}

/** What the flags (those that a verb has) and the environment say. */
export function s3OptionsOf(flags: Partial<S3FlagValues>, env: Readonly<Record<string, string | undefined>>): S3Options {
  const endpoint = flags['s3-endpoint'] ?? env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'] ?? null
  return {
    ...DEFAULT_S3_OPTIONS,
    endpoint: endpoint === '' ? null : endpoint,
    region: flags['s3-region'] ?? null,
    pathStyle: flags['s3-path-style'] === true ? true : null,
    writes: flags['s3-writes'] ?? 'conditional',
  }
}
