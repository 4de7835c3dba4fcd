import assert from 'node:assert/strict';

const SHOWN = 20;

/** Fails unless the values are equal to the last bit of every number; names the places at which they differ. */
export function assertAlike(actual: unknown, expected: unknown): void {
  const found: string[] = [];
  compare(actual, expected, '', found);
  const more = found.length > SHOWN ? `\n… and ${found.length - SHOWN} more` : '';
  assert.ok(found.length === 0, `${found.slice(0, SHOWN).join('\n')}${more}`);
}

function compare(actual: unknown, expected: unknown, path: string, found: string[]): void {
  if (Object.is(actual, expected)) return;
  if (isObject(actual) && isObject(expected) && Array.isArray(actual) === Array.isArray(expected)) {
    for (const key of new Set([...Object.keys(actual), ...Object.keys(expected)])) {
      compare(actual[key], expected[key], `${path}.${key}`, found);
    }
    return;
  }
  found.push(`${path.slice(1)}: ${shown(actual)}, expected ${shown(expected)}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
