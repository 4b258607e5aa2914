import { displayWidth, padDisplay } from '../../query/display-width.ts'

/** Aligned columns with a heading, one space before and two between; no trailing spaces. */
export function grid(head: readonly string[], rows: readonly (readonly string[])[], align: readonly ('left' | 'right')[]): string {
  const widths = head.map((h, i) => rows.reduce((w, r) => Math.max(w, displayWidth(r[i] ?? '')), displayWidth(h)))
  const line = (cells: readonly string[]): string =>
    ` ${cells.map((c, i) => padDisplay(c, widths[i]!, align[i] === 'right')).join('  ')}`.trimEnd()
  return [line(head), ...rows.map(line)].join('\n')
}
