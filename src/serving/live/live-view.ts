import { z } from 'zod';
import { OUT_KINDS } from './arms/arms-spec.ts';
import { STRATEGIES } from './live-spec.ts';
import { HOLDS } from './live-state.ts';

/** What one measure shows at a look. */
export const finding = z.object({
  measure: z.enum(['errors', 'latency', 'flips', 'metric']),
  verdict: z.enum(['worse', 'undecided', 'harmless', 'better', 'not-measured']),
  /** Candidate minus current: a share of errors, a ratio of latency, the share of flips, the metric per request. */
  estimate: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  margin: z.number(),
  requests: z.number().int(),
  blocks: z.number().int(),
  /** How many of the declared blocks make one that decides: 1 unless neighbours correlate. */
  merged: z.number().int(),
  autocorrelation: z.number().nullable(),
});

/** With its confidence sequence. */
const estimate = z.object({ value: z.number().nullable(), low: z.number().nullable(), high: z.number().nullable() });

/** One of several candidates, or the current revision beside them. */
const armView = z.object({
  name: z.string(),
  version: z.number().int().nullable(),
  /** Of the requests, in percent. */
  weight: z.number(),
  /** Why it gets no requests any more. */
  out: z.object({ kind: z.enum(OUT_KINDS), at: z.number().nullable(), sentence: z.string() }).nullable(),
  answered: z.number().int(),
  scored: z.number().int(),
  failures: z.number().int(),
  /** Geometric mean; null where it answered nobody. */
  typicalMs: z.number().nullable(),
  /** Of the metric, per request, of so many; null where none is known. */
  mean: z.number().nullable(),
  measured: z.number().int(),
  /** Requests that were given to it under the present split, of which so many were due. */
  assigned: z.number().int().nullable(),
  due: z.number().nullable(),
  /** Against the current revision; the levels of all arms together are that of the rollout. */
  findings: z.array(finding),
});
export type ArmView = z.output<typeof armView>;

/** A rollout that is decided on live traffic, as people see it. */
export const liveView = z.object({
  strategy: z.enum(STRATEGIES),
  /** Percentages of the canary's steps; empty where there are none. */
  steps: z.array(z.number()),
  hold: z.object({ kind: z.enum(HOLDS), sentence: z.string() }).nullable(),
  blockMs: z.number(),
  burnInBlocks: z.number().int(),
  /** Time of the traffic that was seen last. */
  latest: z.number().nullable(),
  stepRequests: z.number().int(),
  findings: z.array(finding),
  /** Of a contextual bandit: what its requests earned, and what either revision alone would have. */
  contextual: z
    .object({
      rows: z.number().int(),
      /** When gateways got what it learnt last. */
      learntAt: z.number().nullable(),
      values: z.array(z.object({ policy: z.string(), ips: estimate, dr: estimate.nullable() })),
    })
    .optional(),
  sampleRatio: z
    .object({ current: z.number().int(), candidate: z.number().int(), pValue: z.number(), mismatch: z.boolean() })
    .nullable(),
  /** Of several candidates, in the order of the declaration; `current` before them. */
  arms: z.array(armView).optional(),
});

const armTraffic = z.object({
  answered: z.number().int(),
  scored: z.number().int(),
  failures: z.number().int(),
  /** Geometric mean; null where it answered nobody. */
  typicalMs: z.number().nullable(),
});
export const trafficView = z.object({
  /** The newest blocks, oldest first. */
  blocks: z.array(
    z.object({
      ...{ start: z.number(), end: z.number(), source: z.string(), weight: z.number() },
      ...{ current: armTraffic, candidate: armTraffic },
      pairs: z.object({ count: z.number().int(), flips: z.number().int() }),
      /** Of several candidates; `candidate` is all of them then. */
      arms: z.record(z.string(), armTraffic.extend({ weight: z.number() })).optional(),
    }),
  ),
  /** What each measure showed after a block, oldest first. */
  points: z.array(
    z.object({
      at: z.number(),
      findings: z.array(finding),
      /** Of several candidates, each against the current revision. */
      arms: z.record(z.string(), z.array(finding)).optional(),
    }),
  ),
  /** Whether the blocks go back to the beginning: else the sequences begin with the oldest that is kept. */
  complete: z.boolean(),
});
export type TrafficView = z.output<typeof trafficView>;
