import { z } from 'zod';

/** Candidates of one rollout: more of them share so little traffic that none is decided. */
export const ARMS_MAX = 8;

/** As a request names it, and as it is recorded. The two names that every rollout has are taken. */
export const armName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,49}$/, 'expected 1 to 50 lower-case letters, digits, _ and -, a letter first')
  .refine((name) => name !== 'current' && name !== 'candidate', { message: "expected none of 'current', 'candidate'" });

const armSpec = z
  .strictObject({
    name: armName,
    /** The version, by its number or by an alias of the model that is looked up when the rollout starts. */
    version: z.number().int().min(1).max(1_000_000_000).optional(),
    alias: z
      .string()
      .regex(/^[A-Za-z0-9][\w-]{0,99}$/, 'expected letters, digits, _ and -')
      .optional(),
    /** Percent of the requests; the current revision has what is left. All arms and it alike where none says one. */
    share: z.number().min(0.01).max(99.99).optional(),
  })
  .refine(({ version, alias }) => (version === undefined) !== (alias === undefined), {
    message: 'expected a version or an alias, and not both',
    path: ['version'],
  });
export type ArmSpec = z.output<typeof armSpec>;

const LEFT_MIN = 0.01;

/** The candidates of one rollout. */
export const armsSpec = z
  .array(armSpec)
  .min(1)
  .max(ARMS_MAX)
  .refine((arms) => new Set(arms.map(({ name }) => name)).size === arms.length, { message: 'expected unlike names' })
  .refine((arms) => arms.every(({ share }) => (share === undefined) === (arms[0]?.share === undefined)), {
    message: 'expected a share of every arm, or of none',
  })
  .refine((arms) => arms.reduce((sum, { share = 0 }) => sum + share, 0) <= 100 - LEFT_MIN, {
    message: `expected shares that leave the current revision at least ${LEFT_MIN} %`,
  });

/** Why an arm gets no more requests. The first two are harm. */
export const OUT_KINDS = ['guardrail', 'worse', 'beaten', 'futile', 'by-hand'] as const;

/** An arm as a rollout was started with it. */
export interface ArmPlan {
  readonly name: string;
  readonly version: number;
  /** Percent of the requests while every arm is in. */
  readonly share: number;
}

/** The shares as declared, or all alike with the current revision. */
export function sharesOf(arms: readonly ArmSpec[]): readonly number[] {
  return arms.map(({ share }) => share ?? 100 / (arms.length + 1));
}
