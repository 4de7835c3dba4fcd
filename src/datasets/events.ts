import { z } from 'zod';
import { defineEvent } from '#platform/events';
import { segmentView } from './contract.ts';

/** Rows were accepted: a new commit of the dataset exists, with one new segment. */
export const datasetCommitted = defineEvent(
  'dataset.committed',
  z.object({ dataset: z.string(), commit: z.number().int(), batch: z.string(), segment: segmentView }),
);

/** An expectation held back a batch, or groups of it. */
export const datasetQuarantined = defineEvent(
  'dataset.quarantined',
  z.object({
    dataset: z.string(),
    batch: z.string(),
    rows: z.number().int(),
    /** Knowledge time of the newest row of the batch, in epoch milliseconds; null when no row has one. */
    at: z.number().nullable(),
    reasons: z.array(z.string()),
  }),
);
