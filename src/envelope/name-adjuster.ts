/** Debezium's adjustment of names that Avro does not allow (`schema.name.adjustment.mode`, `field.name.adjustment.mode`). */
export type NameMode = 'none' | 'avro' | 'avro_unicode'

/** Full name of a schema: dots stay. */
export function adjustSchemaName(mode: NameMode, name: string): string {
  return adjust(mode, name, '.')
}

/** Name of a field: a dot is not allowed either. */
export function adjustFieldName(mode: NameMode, name: string): string {
  return adjust(mode, name, '')
}

/**
 * avro: what is not a letter, digit or underscore becomes `_`; a digit in front gets `_` before it.
 * avro_unicode: such characters become `_u` and their code in hexadecimal (at least four digits when there are one or two), and so do
 * underscores (they start an escape) and a digit in front.
 */
function adjust(mode: NameMode, name: string, also: string): string {
  if (mode === 'none') return name
  let out = ''
  for (let i = 0; i < name.length; i++) {
    const c = name[i]
    const letter = /[A-Za-z]/.test(c)
    const digit = /[0-9]/.test(c)
    if (mode === 'avro') {
      if (letter || c === '_' || (c === also && i > 0)) out += c
      else if (digit) out += i === 0 ? `_${c}` : c
      else out += '_'
    } else if (letter || (digit && i > 0) || (c === also && i > 0)) out += c
    else out += `_u${hex(c.charCodeAt(0))}`
  }
  return out
}

function hex(code: number): string {
  const h = code.toString(16)
  return h.length <= 2 ? h.padStart(4, '0') : h
}
