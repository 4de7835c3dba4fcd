import type { Random } from './random.ts';

/**
 * Full-jitter exponential back-off (Brooker, "Exponential Backoff and Jitter", 2015): uniform in
 * [0, min(capMs, baseMs × 2^attempt)), attempt counted from 0.
 */
export function backoffMs(attempt: number, random: Random, { baseMs = 100, capMs = 30_000 } = {}): number {
  return random.next() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30));
}
