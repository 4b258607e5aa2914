/**
 * Runs of a property test that is too heavy for many: `few` of them, times TRIBUTARY_PROPERTY_FACTOR (CI sets one). fast-check prints the
 * seed of a failure by itself.
 */
export function propertyRuns(few: number): number {
  return Math.ceil(few * Number(process.env['TRIBUTARY_PROPERTY_FACTOR'] ?? 1))
}
