import { z } from 'zod';
import { nameSchema } from '#platform/contract';

/** Predictions, or labels, of one request. */
export const RECORDS_MAX = 2_000;

/** Epoch milliseconds, up to the year 10000. */
export const time = z.number().int().min(0).max(253_402_300_799_999);
export const id = z.string().min(1).max(200);
export const revision = z.string().min(1).max(200);
const message = z.string().max(4_000);

const recordedValues = z.array(z.union([z.number(), z.string().max(20_000), z.boolean(), z.null()])).max(1_024);

/** A tensor as it is kept with a prediction: whole, or of one that is too large its digest and some of its values. */
const recordedTensor = z.object({
  name: z.string().max(1_000),
  datatype: z.string().max(20),
  shape: z.array(z.number().int().min(0)).max(8),
  data: recordedValues.optional(),
  digest: z.templateLiteral(['sha256:', z.string().regex(/^[0-9a-f]{64}$/)]).optional(),
  sample: recordedValues.optional(),
});

/** How the answers of two revisions to the same tensors differ. */
const tensorDifference = z.object({
  maxAbs: z.number(),
  maxRel: z.number(),
  /** Another decision follows; absent where nothing in the answers is one. */
  flipped: z.boolean().optional(),
  /** They differ in their form. */
  unlike: z.boolean(),
});

/** What a gateway keeps of an answered prediction. */
export const predictionRecord = z.object({
  id,
  endpoint: nameSchema,
  at: time,
  receivedAt: time,
  revision,
  /** `current`, `candidate`, or the name of one of several candidates. */
  arm: z.string().min(1).max(50),
  score: z.number(),
  propensity: z.number().min(0).max(1),
  /** Who chose the arm where it was not drawn: such a request is compared with nothing. */
  chosenBy: z.string().max(200).optional(),
  /** The score of the arm that did not answer; null when it failed. */
  shadow: z
    .object({
      revision,
      score: z.number().nullable(),
      error: message.optional(),
      difference: tensorDifference.optional(),
    })
    .optional(),
  /** The revision that should have answered, and why it did not; `by` what answered for the current one. */
  fallback: z
    .object({ revision, error: message, by: z.enum(['previous', 'model', 'rule', 'constant']).optional() })
    .optional(),
  /** No model was asked: the revision had answered the same row before. */
  cached: z.boolean().optional(),
  /** The row as the answering revision got it, in the order of its signature; null for a missing number. */
  numeric: z.array(z.number().nullable()).max(10_000),
  categories: z.array(z.string().max(4_000)).max(10_000),
  entities: z.record(z.string().max(200), z.string().max(4_000)).optional(),
  latencyUs: z.number().min(0),
  /** Of a graph of models: which versions ran, for how long, and which failed. */
  nodes: z
    .array(
      z.object({
        node: z.string().max(100),
        revision: z.string().max(300).optional(),
        us: z.number().min(0),
        error: z.string().max(200).optional(),
      }),
    )
    .max(200)
    .optional(),
  rollout: id.optional(),
  /** Of a model of tensors: what it got and answered. Its `score` is the mean of its first output of numbers. */
  tensors: z.object({ inputs: z.array(recordedTensor).max(64), outputs: z.array(recordedTensor).max(64) }).optional(),
});
export type PredictionRecord = z.output<typeof predictionRecord>;

export const recordedPredictions = z.object({ records: z.array(predictionRecord).min(1).max(RECORDS_MAX) });

export const label = z.object({
  prediction: id,
  /** What happened: 1 or 0. */
  value: z.literal([0, 1]),
  /** When it happened. */
  at: time.optional(),
  /** When it became known. */
  knownAt: time,
});
export type Label = z.output<typeof label>;
