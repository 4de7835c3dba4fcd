import type { FieldIssue } from '#core/errors';
import type { Json } from '#core/json';
import { DURATION_PATTERN } from '#core/units';

export const PARAM_TYPES = ['string', 'number', 'integer', 'boolean', 'timestamp', 'duration'] as const;
export type ParamType = (typeof PARAM_TYPES)[number];
export type ParamValue = string | number | boolean;

export interface ParamDeclaration {
  readonly type: ParamType;
  /** Without it the parameter must be given. */
  readonly default?: ParamValue | undefined;
}

const STRING_LENGTH_MAX = 10_000;
const ISO_TIME_PATTERN = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2}))?$/;

type Checked = { readonly value: ParamValue } | { readonly expected: string };

/**
 * A value as its type wants it, or what was expected. A `timestamp` may be given as ISO 8601 text with a zone (or a
 * bare date, which is UTC) and becomes epoch milliseconds; a `duration` stays text such as `24h`.
 */
export function checkParam(type: ParamType, value: unknown): Checked {
  switch (type) {
    case 'string':
      if (typeof value === 'string' && value.length <= STRING_LENGTH_MAX) return { value };
      return { expected: `text of at most ${STRING_LENGTH_MAX} characters` };
    case 'number':
      return typeof value === 'number' && Number.isFinite(value) ? { value } : { expected: 'a finite number' };
    case 'integer':
      return typeof value === 'number' && Number.isSafeInteger(value) ? { value } : { expected: 'an integer' };
    case 'boolean':
      return typeof value === 'boolean' ? { value } : { expected: 'true or false' };
    case 'timestamp':
      return checkTimestamp(value);
    case 'duration':
      if (typeof value === 'string' && DURATION_PATTERN.test(value)) return { value };
      return { expected: 'a duration such as 24h' };
  }
}

function checkTimestamp(value: unknown): Checked {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return { value };
  const ms = typeof value === 'string' && ISO_TIME_PATTERN.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? { expected: 'epoch milliseconds or ISO 8601 text with a zone' } : { value: ms };
}

/** The parameters of a run: what was given, checked, and the defaults of the rest. */
export function resolveParams(
  declared: Readonly<Record<string, ParamDeclaration>>,
  given: Readonly<Record<string, unknown>>,
): { readonly params: Record<string, ParamValue>; readonly issues: FieldIssue[] } {
  const params: Record<string, ParamValue> = {};
  const issues: FieldIssue[] = [];
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(declared, name)) continue;
    const known = Object.keys(declared).join(', ') || 'none';
    issues.push({ path: `params.${name}`, message: `the pipeline declares no such parameter (it declares: ${known})` });
  }
  for (const [name, declaration] of Object.entries(declared)) {
    const value = given[name] ?? declaration.default;
    const checked = checkParam(declaration.type, value);
    if ('value' in checked) params[name] = checked.value;
    else if (value === undefined) issues.push({ path: `params.${name}`, message: 'is required: it has no default' });
    else issues.push({ path: `params.${name}`, message: `expected ${checked.expected}, found ${shown(value)}` });
  }
  return { params, issues };
}

const REFERENCE = /\$\{params\.([A-Za-z0-9_-]+)\}/g;

/** The names that `${params.…}` references in a value speak of. */
export function referencedParams(value: unknown): string[] {
  if (typeof value === 'string') return [...value.matchAll(REFERENCE)].map((match) => match[1] as string);
  if (value === null || typeof value !== 'object') return [];
  return Object.values(value).flatMap((item: unknown) => referencedParams(item));
}

/** Replaces references: a text that is one reference becomes the parameter itself, inside a text it is written out. */
export function interpolate(value: Json, params: Readonly<Record<string, ParamValue>>): Json {
  if (typeof value === 'string') {
    const whole = /^\$\{params\.([A-Za-z0-9_-]+)\}$/.exec(value);
    if (whole) return params[whole[1] as string] ?? null;
    return value.replace(REFERENCE, (_, name: string) => String(params[name]));
  }
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item: Json) => interpolate(item, params));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, interpolate(item, params)]));
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 80);
}
