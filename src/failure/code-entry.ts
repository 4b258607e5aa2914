export type RetryPolicy = 'never' | 'timed' | 'manual'

/** What a code means to an operator. Texts may hold `{name}` placeholders filled from a Failure's details. */
export interface CodeEntry {
  readonly what: string
  readonly why: string
  /** What is whole and unchanged. */
  readonly safe: string
  /** Exact SQL, flag or command. */
  readonly fix: string
  readonly retry: RetryPolicy
  /** 1 failed, 2 usage or configuration, 3 environment, 4 difference found, 5 try again. */
  readonly exit: 1 | 2 | 3 | 4 | 5
}
