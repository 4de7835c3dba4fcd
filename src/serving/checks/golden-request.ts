import { z } from 'zod';
import { isDatatype } from '../gateway/tensors/datatypes.ts';

export const GOLDEN_MAX = 500;
/** Of all inputs of one golden request as JSON, in characters. */
const INPUTS_LENGTH_MAX = 100_000;

const goldenName = z.string().regex(/^[\w.:@-]{1,200}$/, 'expected 1 to 200 letters, digits and _ . : @ -');

const tensor = z.strictObject({
  name: z.string().min(1).max(200),
  datatype: z.string().refine(isDatatype, 'expected a datatype of the Open Inference Protocol, such as FP32'),
  shape: z.array(z.number().int().min(0)).max(8),
  /** Row by row; FP16 and BF16, which have no form in JSON, can only be expected. */
  data: z.array(z.union([z.number(), z.string().max(20_000), z.boolean(), z.null()])),
});
export type GoldenTensor = z.output<typeof tensor>;

const fields = z.strictObject({
  name: goldenName,
  inputs: z
    .record(z.string().min(1).max(200), z.union([z.number(), z.string().max(1_000), z.null()]))
    .refine((inputs) => JSON.stringify(inputs).length <= INPUTS_LENGTH_MAX, {
      message: `expected at most ${INPUTS_LENGTH_MAX} characters of JSON`,
    })
    .default({}),
  expected: z.number().nullable().default(null),
  /** Of a model of tensors, in the place of `inputs` and `expected`. */
  tensors: z
    .strictObject({ inputs: z.array(tensor).min(1).max(64), outputs: z.array(tensor).min(1).max(64) })
    .refine((tensors) => JSON.stringify(tensors).length <= INPUTS_LENGTH_MAX, {
      message: `expected at most ${INPUTS_LENGTH_MAX} characters of JSON`,
    })
    .optional(),
});

/**
 * A request whose answer is known: what the model gets, features of views included, and the score it should give; or
 * the tensors that it gets and those that it should answer.
 */
export const goldenRequest = fields.refine(({ expected, tensors }) => (expected === null) !== (tensors === undefined), {
  message: 'expected either the inputs with the score that is expected, or tensors',
  path: ['expected'],
});
export type GoldenRequest = z.output<typeof goldenRequest>;

export const goldenView = fields.extend({
  /** Written by a person, or taken from the recorded predictions. */
  source: z.enum(['hand', 'records']),
  /** The revision whose answer it is; null where a person wrote it. */
  revision: z.string().nullable(),
  recordedAt: z.number(),
});
export type GoldenView = z.output<typeof goldenView>;
