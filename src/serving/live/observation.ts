import { z } from 'zod';
import { armName } from './arms/arms-spec.ts';

const count = z.number().int().min(0).max(1_000_000_000);

/** Added to a latency before its logarithm is taken, so that fractions of a millisecond do not look like much. */
export const LATENCY_FLOOR_MS = 5;

const armObserved = z.strictObject({
  /** Requests that this arm answered. */
  answered: count,
  /** Σ ln(latency in ms + {@link LATENCY_FLOOR_MS}) of those. */
  logLatencySum: z.number().min(-1e9).max(1e9),
  /** Requests that it scored or failed to score, as the answer or beside it. */
  scored: count,
  failures: count,
});

const share = z.number().min(0).max(100);

/** A request worth looking at after a rollback. */
export const oddRequest = z.strictObject({
  id: z.string().max(200),
  at: z.number(),
  kind: z.enum(['failed', 'slow', 'flipped']),
  /** Of the error, or of what differed. */
  text: z.string().max(500),
  currentScore: z.number().nullable(),
  candidateScore: z.number().nullable(),
  latencyMs: z.number().nullable(),
});
export type OddRequest = z.output<typeof oddRequest>;

export const LOG_TEXT_MAX = 500;

/** A line of a gateway's log: a warning or worse. */
export const logLine = z.strictObject({
  at: z.number(),
  level: z.enum(['warn', 'error', 'fatal']),
  text: z.string().max(LOG_TEXT_MAX),
});
export type LogLine = z.output<typeof logLine>;

/** What one gateway saw of one rollout in one block of time. */
export const observation = z.object({
  rollout: z.string().min(1).max(100),
  /** The gateway. A block is counted once for each. */
  source: z.string().min(1).max(100),
  /** Epoch milliseconds. */
  start: z.number().int().min(0).max(1e15),
  end: z.number().int().min(0).max(1e15),
  /** Of the candidate in percent, all through the block: it ends where the weight changes. */
  weight: share,
  current: armObserved,
  /** Of several candidates, all together. */
  candidate: armObserved,
  /** Several candidates by name, with the weight of each and how many requests were given to it. */
  arms: z.record(armName, armObserved.extend({ weight: share, assigned: count })).optional(),
  /** Requests that both arms scored, and those of them whose decisions differ. */
  pairs: z.strictObject({ count, flips: count }),
  /** Assignments: requests, or keys seen for the first time where assignment is sticky. */
  assigned: z.strictObject({ current: count, candidate: count }),
  odd: z.array(oddRequest).max(20),
  /** What the gateway warned of meanwhile. */
  logs: z.array(logLine).max(20).optional(),
});
export type Observation = z.output<typeof observation>;
export type ObservedBlock = Omit<Observation, 'rollout' | 'source' | 'logs'>;

const sums = z.strictObject({ requests: count, sum: z.number().min(-1e15).max(1e15) });

const outcomesShape = z.strictObject({
  source: z.string().min(1).max(100),
  start: z.number().int().min(0).max(1e15),
  end: z.number().int().min(0).max(1e15),
  current: sums,
  candidate: sums.optional(),
  /** In the place of `candidate` where there are several. One that is left out had no requests. */
  arms: z.record(armName, sums).optional(),
  /** For a contextual bandit, the requests one by one: what it saw of each, its propensity as answered, its reward. */
  rows: z
    .array(
      z.strictObject({
        arm: z.enum(['current', 'candidate']).or(armName),
        propensity: z.number().min(1e-6).max(1),
        context: z.record(z.string().max(200), z.number().nullable()),
        reward: z.number().min(0).max(1),
      }),
    )
    .max(5_000)
    .optional(),
});

/** A block of the business metric, from whoever knows it. Sums are over the requests of each arm. */
export const outcomes = outcomesShape.refine(
  ({ candidate, arms }) => (candidate === undefined) !== (arms === undefined),
  {
    message: 'expected the sums of the candidate, or of the arms by name',
    path: ['candidate'],
  },
);
export type Outcomes = z.output<typeof outcomes>;
