import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// First module of the thread that brings Kafka's topics into the lake; as run-lake-entry.ts.
enableCompileCache(fileURLToPath(new URL('../../../node_modules/.cache/tributary', import.meta.url)))
await import('./run-ingest-worker.ts')
