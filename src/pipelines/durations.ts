import { z } from 'zod';
import { DURATION_PATTERN, durationMs } from '#core/units';

/** A span of time from 1 ms up to `max`, as `30m`. */
export function durationUpTo(max: string) {
  const maxMs = durationMs(max);
  return z
    .string()
    .regex(DURATION_PATTERN, 'expected a duration such as 30m')
    .refine((text) => {
      const ms = DURATION_PATTERN.test(text) ? durationMs(text) : 1;
      return ms >= 1 && ms <= maxMs;
    }, `expected a duration from 1ms to ${max}`);
}

/** What a step or a run may take or wait. */
export const duration = durationUpTo('14d');
