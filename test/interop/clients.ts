import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../tidy/tree.ts'

/** Confluent's Python client: test/services/clients.py. */
export async function pythonClient<T>(...args: readonly string[]): Promise<T> {
  const script = join(root, 'test/services/clients.sh')
  const { stdout } = await promisify(execFile)('bash', [script, ...args], { encoding: 'utf8', timeout: 240_000, maxBuffer: 1 << 28 })
  return JSON.parse(stdout) as T
}
