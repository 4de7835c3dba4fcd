import { posix } from 'node:path';
import { z } from 'zod';
import type { LifecycleView } from '../../store/found.ts';
import { invalidValue } from './route.ts';
import { REQUIRED, wire } from './wire.ts';

/** Fields that several messages have, with MLflow's limits. */

export const KEY_LENGTH_MAX = 250;
const KEY = /^[/\p{L}\p{N}_.\- :]*$/u;
const KEY_HINT =
  'Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:)' +
  ' and slashes (/)';

/** The name of a metric, param or tag, which MLflow may use as the name of a file. */
export const key = () =>
  wire
    .string(KEY_LENGTH_MAX)
    .min(1, REQUIRED)
    .refine((name) => KEY.test(name), KEY_HINT)
    .refine(isOwnPath, 'Names may be treated as files in certain cases, and must not resolve to other names then');

function isOwnPath(name: string): boolean {
  const path = posix.normalize(name);
  return path === name && path !== '.' && !path.startsWith('..') && !path.startsWith('/');
}

export const runId = () =>
  wire
    .string(256)
    .min(1, REQUIRED)
    .regex(/^[a-zA-Z0-9][\w-]{0,255}$/, 'expected letters, digits, underscores and dashes');

export const experimentId = () =>
  wire
    .string(64)
    .min(1, REQUIRED)
    .regex(/^[a-zA-Z0-9][\w-]*$/, 'expected an id');

export const experimentName = () => wire.string(500).min(1, REQUIRED);

export const timestamp = () => wire.int64({ min: 0 });

export const tags = (options: { readonly valueMax: number; readonly max: number }) =>
  wire.list(wire.message({ key: key(), value: wire.string(options.valueMax).default('') }), options.max);

export const RUN_TAG_MAX = 8_000;
export const PARAM_MAX = 6_000;

export const runTags = () => tags({ valueMax: RUN_TAG_MAX, max: 100 });

export const VIEWS = { ACTIVE_ONLY: 'active', DELETED_ONLY: 'deleted', ALL: 'all' } as const satisfies Record<
  string,
  LifecycleView
>;

export const viewType = () =>
  wire
    .oneOf(['ACTIVE_ONLY', 'DELETED_ONLY', 'ALL'])
    .default('ACTIVE_ONLY')
    .transform((name) => VIEWS[name]);

export const filter = () => wire.string(100_000).default('');
export const orderBy = () => wire.list(wire.string(1_000), 100).default([]);
export const pageTokenField = () => wire.string(100_000).optional();

/** Between 1 and `max`; 0 is taken for the default, as a field that is not set. */
export const maxResults = (standard: number, max: number) =>
  wire
    .int64({ min: 0, max })
    .default(standard)
    .transform((value) => (value === 0 ? standard : value));

/** Keys and values as a record; the last value of a key counts. */
export function recordOf(entries: readonly { readonly key: string; readonly value: string }[]): Record<string, string> {
  return Object.fromEntries(entries.map(({ key: name, value }) => [name, value]));
}

/** Params as a record. A key that is there twice with two values is refused, as neither could be told to be the one. */
export function paramsOf(entries: readonly { readonly key: string; readonly value: string }[]): Record<string, string> {
  const seen = new Map<string, string>();
  entries.forEach(({ key: name, value }, i) => {
    const before = seen.get(name);
    if (before !== undefined && before !== value) {
      throw invalidValue(`params[${i}].key`, name, 'Duplicate parameter keys have been submitted');
    }
    seen.set(name, value);
  });
  return Object.fromEntries(seen);
}

/** An optional text where an empty one stands for none. */
export const optionalText = (max: number) =>
  z.preprocess((value) => (value === '' ? undefined : value), wire.string(max).optional()).optional();
