import { z } from 'zod';

export const CHECKS = ['signature', 'golden', 'load'] as const;

/** What one check before traffic has found: evidence in the history of the rollout. */
export const checkResult = z.object({
  check: z.enum(CHECKS),
  passed: z.boolean(),
  /** Says it in words that hold without the screen around them. */
  sentence: z.string().max(4_000),
  /** By name: counts, milliseconds, shares. */
  figures: z.record(z.string().max(100), z.number()),
  /** What differs or failed, one line each. */
  details: z.array(z.string().max(500)).max(100),
});
export type CheckResult = z.output<typeof checkResult>;

/** What a gateway has found of the checks that it ran. */
export const checkReport = z.object({
  rollout: z.string().min(1).max(100),
  /** The gateway. */
  source: z.string().min(1).max(100),
  results: z.array(checkResult).min(1).max(CHECKS.length),
});
export type CheckReport = z.output<typeof checkReport>;
