import type { ValueEncoder } from '../../../contract/change.ts'
import { plainMoney } from '../../types/decimal.ts'

/** money as the plain number that another encoder understands (double and string modes). */
export function encodeMoneyAs(encode: ValueEncoder): ValueEncoder {
  const scratch = Buffer.allocUnsafeSlow(40)
  return (src, start, length, out) => encode(scratch, 0, plainMoney(src, start, length, scratch), out)
}
