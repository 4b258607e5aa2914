/** Columns that a text takes in a terminal: East Asian wide and emoji two, combining marks none. */
export function displayWidth(text: string): number {
  // Printable ASCII is the common case.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  graphemes ??= new Intl.Segmenter('en', { granularity: 'grapheme' })
  for (const { segment } of graphemes.segment(text)) width += isWide(segment) ? 2 : 1
  return width
}

/** Made when it is needed: that takes ten milliseconds and more. */
let graphemes: Intl.Segmenter | null = null
/** First code points of ranges that terminals show two columns wide, and the last of each. */
const WIDE_RANGES: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x20000, 0x3fffd],
]

function isWide(grapheme: string): boolean {
  if (/^\p{Emoji_Presentation}/u.test(grapheme) || grapheme.includes('\ufe0f')) return true
  const code = grapheme.codePointAt(0)!
  return WIDE_RANGES.some(([from, to]) => code >= from && code <= to)
}

export function padDisplay(text: string, width: number, right: boolean): string {
  const pad = ' '.repeat(Math.max(0, width - displayWidth(text)))
  return right ? pad + text : text + pad
}

/** Control and bidirectional characters as escapes. */
export function visible(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (c) => {
    const named = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[c]
    return named ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
