/** Masks known secrets in text on its way out: the second line behind never putting them there. */
export class Secrets {
  readonly #values = new Set<string>()

  /** Registers a value and the forms it takes in URLs and JSON. One or two characters would mask ordinary text: not registered. */
  add(value: string): void {
    if (value.length < 3) return
    for (const form of [value, encodeURIComponent(value), encodeURI(value), JSON.stringify(value).slice(1, -1)]) this.#values.add(form)
  }

  mask(text: string): string {
    let out = text
    for (const value of [...this.#values].sort((a, b) => b.length - a.length)) out = out.replaceAll(value, '***')
    return out
  }
}

/** The password part of a URL, decoded; null when the text has none. Works on texts that are no valid URL too. */
export function urlPassword(text: string): string | null {
  const m = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*?:([^/?#]*)@/i.exec(text)
  const inQuery = /[?&]password=([^&#]*)/i.exec(text)
  const raw = m?.[1] || inQuery?.[1]
  if (raw === undefined || raw === '') return null
  return decodePercent(raw)
}

/** Percent-decoding that leaves a malformed escape as it stands. */
export function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (e) {
    if (e instanceof URIError) return text
    throw e
  }
}

/** A command line with the passwords of its URLs masked, for the process title. */
export function maskArguments(argv: readonly string[]): string {
  return argv
    .map((a) => a.replace(/([a-z][a-z0-9+.-]*:\/\/[^/?#\s]*?):[^/?#\s]*@/gi, '$1:***@').replace(/([?&]password=)[^&#\s]*/gi, '$1***'))
    .join(' ')
}
