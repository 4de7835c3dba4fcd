import { z } from 'zod';

export const GOLDEN_MAX = 500;
/** Of all inputs of one golden request as JSON, in characters. */
const INPUTS_LENGTH_MAX = 100_000;

const goldenName = z.string().regex(/^[\w.:@-]{1,200}$/, 'expected 1 to 200 letters, digits and _ . : @ -');

/** A request whose answer is known: what the model gets, features of views included, and the score it should give. */
export const goldenRequest = z.strictObject({
  name: goldenName,
  inputs: z
    .record(z.string().min(1).max(200), z.union([z.number(), z.string().max(1_000), z.null()]))
    .refine((inputs) => JSON.stringify(inputs).length <= INPUTS_LENGTH_MAX, {
      message: `expected at most ${INPUTS_LENGTH_MAX} characters of JSON`,
    }),
  expected: z.number(),
});
export type GoldenRequest = z.output<typeof goldenRequest>;

export const goldenView = goldenRequest.extend({
  /** Written by a person, or taken from the recorded predictions. */
  source: z.enum(['hand', 'records']),
  /** The revision whose answer it is; null where a person wrote it. */
  revision: z.string().nullable(),
  recordedAt: z.number(),
});
export type GoldenView = z.output<typeof goldenView>;
