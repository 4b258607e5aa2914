/** Options of node:tls that matter here; `rejectUnauthorized: false` is libpq's sslmode=require. */
export interface TlsOptions {
  readonly rejectUnauthorized: boolean
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  /** False: sslmode=verify-ca, the name in the certificate may differ. */
  readonly verifyName?: boolean
}
