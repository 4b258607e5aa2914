/** What rows that are wanted fulfil, as far as it is known: a file for whose values it cannot be true need not be read. Columns in lower case. */
export type RowPredicate =
  | { readonly kind: 'anything' }
  | { readonly kind: 'and'; readonly of: readonly RowPredicate[] }
  | { readonly kind: 'or'; readonly of: readonly RowPredicate[] }
  /** `=`: one of the values; `<>`: none of them; others have one value. Never true of nulls. */
  | {
      readonly kind: 'compare'
      readonly column: string
      readonly op: '=' | '<>' | '<' | '<=' | '>' | '>='
      readonly values: readonly (string | bigint)[]
    }
  /** The text begins with `text`; `excluded`: it does not. Never true of nulls. */
  | { readonly kind: 'prefix'; readonly column: string; readonly text: string; readonly excluded: boolean }
