import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// First module of the lake thread. A thread does not take over the compile cache of the process, and modules that are imported
// statically are compiled before this line runs.
enableCompileCache(fileURLToPath(new URL('../../../node_modules/.cache/tributary', import.meta.url)))
await import('./run-lake-worker.ts')
