import assert from 'node:assert/strict';

/**
 * Which of its two runtimes a gateway scores a model with depends on how long each took when it was warmed up. They
 * agree as far as 32-bit floats go, so scores and what is computed from them may differ in the digits beyond.
 */
const TOLERANCE = 1e-5;
const SHOWN = 20;

/** Fails unless the values are equal, fractions within {@link TOLERANCE}; names the places at which they differ. */
export function assertAlike(actual: unknown, expected: unknown): void {
  const found: string[] = [];
  compare(actual, expected, '', found);
  const more = found.length > SHOWN ? `\n… and ${found.length - SHOWN} more` : '';
  assert.ok(found.length === 0, `${found.slice(0, SHOWN).join('\n')}${more}`);
}

function compare(actual: unknown, expected: unknown, path: string, found: string[]): void {
  if (Object.is(actual, expected) || isNear(actual, expected)) return;
  if (isObject(actual) && isObject(expected) && Array.isArray(actual) === Array.isArray(expected)) {
    for (const key of new Set([...Object.keys(actual), ...Object.keys(expected)])) {
      compare(actual[key], expected[key], `${path}.${key}`, found);
    }
    return;
  }
  found.push(`${path.slice(1)}: ${shown(actual)}, expected ${shown(expected)}`);
}

function isNear(a: unknown, b: unknown): boolean {
  if (typeof a !== 'number' || typeof b !== 'number' || (Number.isInteger(a) && Number.isInteger(b))) return false;
  return Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(b));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
