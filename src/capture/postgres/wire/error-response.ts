/** What the server says when something fails. */
export interface ServerError {
  /** SQLSTATE. */
  readonly code: string
  readonly message: string
}

/**
 * ErrorResponse body (protocol 3.0):  (fieldType:u8 text NUL)* NUL
 * Only C (SQLSTATE) and M (message) are kept; M never holds a password.
 */
export function parseErrorResponse(buf: Buffer, start: number, end: number): ServerError {
  let code = 'XX000'
  let message = 'unknown error'
  for (let p = start; p < end && buf[p] !== 0; ) {
    const field = buf[p]
    const stop = buf.indexOf(0, p + 1)
    if (stop < 0 || stop >= end) break
    if (field === 0x43) code = buf.toString('latin1', p + 1, stop)
    if (field === 0x4d) message = buf.toString('utf8', p + 1, stop)
    p = stop + 1
  }
  return { code, message }
}
