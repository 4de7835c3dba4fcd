import { errors } from './errors.ts';

/** Throws `math/bad-input`, naming `field` and what it has to be. Loops call it behind their own test, for speed. */
export function refuse(field: string, expectation: string): never {
  throw errors['bad-input'](`${field} ${expectation}`, [{ path: field, message: expectation }]);
}

/** Refuses the input unless `condition` holds. */
export function requireThat(condition: boolean, field: string, expectation: string): asserts condition {
  if (!condition) refuse(field, expectation);
}

/** Requires a number strictly between 0 and 1, such as an error level or a confidence. */
export function requireShare(value: number, field: string): void {
  if (!(value > 0 && value < 1)) refuse(field, `must be strictly between 0 and 1, not ${value}`);
}

/** Requires a non-negative safe integer, such as a count of requests. */
export function requireCount(value: number, field: string): void {
  if (!(Number.isSafeInteger(value) && value >= 0)) refuse(field, `must be a whole number from 0 on, not ${value}`);
}
