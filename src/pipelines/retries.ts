import { z } from 'zod';
import { durationMs } from '#core/units';
import { durationUpTo } from './durations.ts';
import type { StepErrorKind } from './step-errors.ts';

const RETRIES_MAX = 20;
/** Failed attempts after which a step that declares nothing is tried again. */
const RETRIES = 2;
/** The longest pause of a step that declares none. */
export const BACKOFF_MS = 60_000;
const FIRST_MS = 1_000;

const retries = z.number().int().min(0).max(RETRIES_MAX);
/** The ways to fail after which another attempt can end otherwise, see `isRetried`. */
const CLASSES = [
  ...(['default', 'threw', 'exit-code', 'killed', 'out-of-memory', 'timeout', 'not-started', 'transfer'] as const),
] as const satisfies readonly (StepErrorKind | 'default')[];
type RetryClass = (typeof CLASSES)[number];

/**
 * How often a step is tried again: after any failure, or by how it failed, as `{ timeout: 0, killed: 5 }`, with
 * `default` for the others. A failure is followed by another attempt if the step has not failed more often, in whatever
 * way, than its class allows.
 */
export const retriesSpec = z
  .union([retries, z.partialRecord(z.enum(CLASSES), retries)], {
    error: `expected 0 to ${RETRIES_MAX}, or such numbers by class: ${CLASSES.join(', ')}`,
  })
  .default(RETRIES);

const pause = durationUpTo('1h');

/** The pause before another attempt: by chance up to `first`, twice that after each further failure, `max` at most. */
export const backoffSpec = z
  .strictObject({ first: pause.default('1s'), max: pause.default('1m') })
  .refine(({ first, max }) => durationMs(first) <= durationMs(max), { path: ['max'], message: 'is less than first' });

type Retries = z.output<typeof retriesSpec>;

/** How a step is tried again, where it does not declare a number alone. */
export interface RetryPolicy {
  readonly limits?: Readonly<Partial<Record<RetryClass, number>>> | undefined;
  readonly backoff?: { readonly baseMs: number; readonly capMs: number } | undefined;
}

/** The most failed attempts after which a step may be tried again. */
export function retriesMax(declared: Retries): number {
  if (typeof declared === 'number') return declared;
  return Math.max(declared.default ?? RETRIES, ...Object.values(declared).map((limit) => limit ?? 0));
}

/** The part of a definition that says how the step is tried again; undefined where the number in its state says all. */
export function retryPolicyOf(step: {
  readonly retries: Retries;
  readonly backoff?: z.output<typeof backoffSpec> | undefined;
}): RetryPolicy | undefined {
  const limits = typeof step.retries === 'number' ? undefined : step.retries;
  const { first, max } = step.backoff ?? {};
  const backoff = first && max ? { baseMs: durationMs(first), capMs: durationMs(max) } : undefined;
  return limits || backoff ? { limits, backoff } : undefined;
}

/** After how many failures a step is tried again that failed in this way; undefined leaves that to its state. */
export function retriesFor({ limits }: RetryPolicy, kind: StepErrorKind): number | undefined {
  if (!limits) return undefined;
  const byKind: Readonly<Partial<Record<StepErrorKind, number>>> = limits;
  return byKind[kind] ?? limits.default ?? RETRIES;
}

/** The span from which the pause before an attempt is drawn. */
export function backoffOf({ backoff }: RetryPolicy): { readonly baseMs: number; readonly capMs: number } {
  return backoff ?? { baseMs: FIRST_MS, capMs: BACKOFF_MS };
}
