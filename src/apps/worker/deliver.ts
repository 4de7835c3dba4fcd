import { backoffMs } from '#core/backoff';
import { type Clock, sleep } from '#core/clock';
import type { System } from '#core/system';
import { ProblemError } from '#platform/contract';

const CALL_DEADLINE_MS = 30_000;
const BACKOFF_CAP_MS = 5_000;

/** Runs a call with a signal that is aborted after `ms`, or with the given signal. */
export async function withDeadline<T>(
  clock: Clock,
  limit: { readonly ms: number; readonly signal?: AbortSignal },
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort(limit.signal?.reason ?? new Error(`no answer within ${limit.ms} ms`));
  if (limit.signal?.aborted) abort();
  limit.signal?.addEventListener('abort', abort, { once: true });
  const cancel = clock.after(limit.ms, abort);
  try {
    return await call(controller.signal);
  } finally {
    cancel();
    limit.signal?.removeEventListener('abort', abort);
  }
}

/** Whether the control plane has understood a request and refuses it, so that repeating it cannot help. */
export function isRefusal(error: unknown): error is ProblemError {
  return error instanceof ProblemError && error.problem.status < 500 && error.problem.status !== 429;
}

/** Whether the attempt no longer holds its step: whatever it does is discarded. */
export function isStale(error: unknown): boolean {
  return isRefusal(error) && ['pipelines/stale-attempt', 'pipelines/attempt-not-found'].includes(error.code);
}

/**
 * Repeats a call with back-off until the control plane answers, however long that takes: it may be restarting. Throws
 * what {@link isRefusal}, and anything once `hurry` is aborted.
 */
export async function deliver<T>(
  system: System,
  hurry: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await withDeadline(system.clock, { ms: CALL_DEADLINE_MS }, call);
    } catch (error) {
      if (isRefusal(error) || hurry.aborted) throw error;
      await sleep(system.clock, backoffMs(failures, system.random, { capMs: BACKOFF_CAP_MS }), hurry);
    }
  }
}
