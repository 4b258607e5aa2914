import type { Import, SourceFile } from './tree.ts'

/** Room → rooms it may import. The one place where an arrow is added; ARCHITECTURE.md shows the same table. */
export const ARROWS: Readonly<Record<string, readonly string[]>> = {
  timeline: [],
  failure: [],
  contract: ['timeline'],
  format: ['contract', 'failure'],
  capture: ['contract', 'format', 'failure'],
  envelope: ['contract', 'format', 'failure'],
  registry: ['contract', 'failure'],
  log: ['contract', 'format', 'failure'],
  storage: ['contract', 'failure'],
  lake: ['timeline', 'contract', 'format', 'failure'],
  query: ['contract', 'failure'],
  pipeline: ['contract', 'envelope', 'failure'],
  observe: ['contract'],
}

/** From these rooms' side the other room is only a vocabulary: `import type`. */
const TYPES_ONLY = new Set(['contract>timeline', 'format>contract'])

/** Adapters of one room never meet; what they share stands beside them. */
const SIBLINGS: Readonly<Record<string, readonly string[]>> = {
  capture: ['postgres', 'mysql'],
  log: ['embedded', 'kafka'],
  storage: ['disk', 's3', 'memory'],
}

function roomOf(path: string): string | null {
  const parts = path.split('/')
  if (parts[0] === 'timeline') return 'timeline'
  return parts[0] === 'src' ? parts[1] : null
}

/** Why this import is not allowed, or null. */
export function refuse(file: SourceFile, i: Import): string | null {
  const from = roomOf(file.path)
  if (from === null) return null
  if (!i.relative) return from === 'timeline' ? 'timeline/ imports nothing' : null
  if (from === 'cli') return null
  const to = roomOf(i.target)
  if (to === null) return `${from} reaches outside src/`
  if (from === to) return siblings(from, file.path, i.target)
  if (!(ARROWS[from] ?? []).includes(to)) return `no arrow ${from} → ${to}`
  if (TYPES_ONLY.has(`${from}>${to}`) && !i.typeOnly) return `${from} → ${to} is for types only`
  return null
}

function siblings(room: string, from: string, to: string): string | null {
  const adapters = SIBLINGS[room] ?? []
  const [a, b] = [from, to].map((p) => p.split('/')[2])
  return a !== b && adapters.includes(a) && adapters.includes(b) ? `${room}/${a} and ${room}/${b} are siblings` : null
}
