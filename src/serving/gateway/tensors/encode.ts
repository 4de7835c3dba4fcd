import { gatewayErrors } from '../errors.ts';
import { numberType, type Scalar, type TensorValues } from './datatypes.ts';
import type { Tensor } from './tensor.ts';

/** The bytes of a tensor: numbers little-endian, each text after its length in four bytes. */
export function rawOf(values: TensorValues): Buffer {
  if (!Array.isArray(values)) return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const lengths = values.map((text) => Buffer.byteLength(text));
  const raw = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + 4 + length, 0));
  let at = 0;
  for (const [i, text] of values.entries()) {
    raw.writeUInt32LE(lengths[i] as number, at);
    raw.write(text, at + 4);
    at += 4 + (lengths[i] as number);
  }
  return raw;
}

/**
 * The values as JSON carries them: null for numbers that are none or infinite. Throws `gateway/invalid-request` for
 * datatypes that have no form in JSON, and for 64-bit numbers that a JSON number cannot hold.
 */
export function jsonOf({ name, datatype, values }: Tensor): readonly Scalar[] {
  if (numberType(datatype)?.rawOnly) {
    throw gatewayErrors['invalid-request'](`outputs.${name}: ${datatype} has no form in JSON; ask for binary data`);
  }
  if (Array.isArray(values)) return values;
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    return Array.from(values, (value) => {
      const number = Number(value);
      if (Number.isSafeInteger(number)) return number;
      throw gatewayErrors['invalid-request'](
        `outputs.${name}: ${value} is no exact number in JSON; ask for binary data`,
      );
    });
  }
  if (datatype === 'BOOL') return Array.from(values, (value) => value !== 0);
  return Array.from(values);
}
