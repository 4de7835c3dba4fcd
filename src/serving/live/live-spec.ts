import { z } from 'zod';
import { DURATION_PATTERN, durationMs } from '#core/units';
import { type ArmPlan, armName, armsSpec } from './arms/arms-spec.ts';
import { FLAG_LENGTH_MAX, parseFlag } from './flag-expression.ts';
import { freezeWindow } from './freeze.ts';

const duration = z.string().regex(DURATION_PATTERN, 'expected a duration such as 30s, 10m or 24h');

/** Each block is a report of each gateway and a decision. */
const isBlockLength = (text: string): boolean => {
  const lengthMs = DURATION_PATTERN.test(text) ? durationMs(text) : 0;
  return lengthMs >= 100 && lengthMs <= 3_600_000;
};

/**
 * How a version becomes the current revision.
 *
 * - `paired`: shadow, canary and probation, decided on late labels of the same requests.
 * - `canary`: by steps of the traffic; each is left once the candidate is shown to be harmless.
 * - `blue-green`: scored beside first, then all traffic at once, with the former revision ready to take it back.
 * - `shadow`: scored beside and never answered with, until a person promotes it.
 * - `ab`: a fixed share until one of the two is better; of several candidates (`live.arms`) a share each.
 * - `bandit`: a share that follows the metric, until one is better.
 */
export const STRATEGIES = ['paired', 'canary', 'blue-green', 'shadow', 'ab', 'bandit'] as const;

/** The error of an expression is shown to who declares it. */
const condition = z
  .string()
  .min(1)
  .max(FLAG_LENGTH_MAX)
  .check((context) => {
    try {
      parseFlag(context.value);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      context.issues.push({ code: 'custom', message, input: context.value });
    }
  });

/** What the strategies other than `paired` go by. They decide on what the gateways see, in blocks of time. */
export const liveSpec = z.strictObject({
  /** Percentages of a canary. */
  steps: z
    .array(z.number().min(0.01, 'expected at least 0.01').max(100, 'expected at most 100'))
    .min(1)
    .max(20)
    .refine((steps) => steps.every((step, i) => i === 0 || step > (steps[i - 1] as number)), {
      message: 'expected rising percentages',
    })
    .default([5, 10, 25, 50, 100]),
  /** Percentage of the candidate in an A/B test, and of a bandit at its beginning. */
  share: z.number().min(0.01).max(99.99).default(50),
  /** The candidates of a rollout that is started without a version, under `ab` and `bandit`: up to eight at once. */
  arms: armsSpec.optional(),
  /** How a bandit shares the traffic out. Its metric is from 0 to 1 a request. */
  bandit: z
    .strictObject({
      /**
       * `thompson`: by the probability to be the better one. `linucb`: by `context`, for each request its arm; gateways
       * get what was learnt from the rows of `outcomes` in their routing table.
       */
      policy: z.enum(['thompson', 'epsilon-greedy', 'softmax', 'linucb']).default('thompson'),
      /** Top-two Thompson sampling: the runner-up gets this share of what the leader would. */
      topTwo: z.number().min(0).max(0.5).default(0),
      /** Of `linucb`: numeric inputs of the current revision, with what brings them to the size of one. */
      context: z
        .array(
          z.strictObject({
            input: z.string().min(1).max(200),
            mean: z.number().min(-1e12).max(1e12).default(0),
            scale: z.number().min(1e-12).max(1e12).default(1),
          }),
        )
        .max(20)
        .default([]),
      /** Of `linucb`: how much it tries what it knows little about, in standard errors. */
      width: z.number().min(0).max(10).default(1),
      /** Neither arm gets less than this share: less teaches too little and makes propensities useless. */
      floor: z.number().min(0.01).max(0.5).default(0.05),
      /** The shares are set anew at most this often. */
      every: duration.default('15m'),
      /** And not before each arm has so many requests with a known metric. */
      requestsMin: z.number().int().min(1).max(1_000_000).default(100),
    })
    .prefault({}),
  /** How long each step lasts at least. */
  bake: duration.default('10m'),
  /** A step is not left before the candidate has scored so many requests in it. */
  requestsMin: z.number().int().min(1).max(100_000_000).default(200),
  /** Not shown to be harmless in this time: the current revision answers everything again. */
  maxDuration: duration.default('7d'),
  /** Whose word each step up (`every`), or the one to all traffic (`last`), waits for. */
  approval: z.enum(['never', 'last', 'every']).default('never'),
  /** No step up begins within these, UTC. Rollbacks do. */
  freeze: z.array(freezeWindow).max(50).default([]),
  /** Who always gets the same arm: each request for itself, or each value of this entity key. */
  sticky: z
    .strictObject({ entity: z.string().min(1).max(200) })
    .nullable()
    .default(null),
  /** Lets a request name its arm (`"arm": "candidate"`, or an arm's name). Those are answered and not counted. */
  override: z.boolean().default(false),
  /**
   * Who may name the arm by the headers `x-kedge-arm` and `x-kedge-arm-key`: the name of each key is recorded, its
   * digest is all that is kept of it.
   */
  armKeys: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[\w.-]{1,100}$/, 'expected 1 to 100 letters, digits and _ . -'),
        sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits'),
      }),
    )
    .max(50)
    .default([]),
  /**
   * Requests that hold one of these get its arm while the candidate has traffic, whatever their draw: the first that
   * holds. They are recorded with the flag and belong to no sample.
   */
  flags: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[\w.-]{1,100}$/, 'expected 1 to 100 letters, digits and _ . -'),
        /** As in `entities.country in ('DE', 'FR') and inputs.amount < 100`. */
        when: condition,
        /** Or the name of one of several; in a rollout without it, the flag says nothing. */
        arm: z.enum(['current', 'candidate']).or(armName).default('candidate'),
      }),
    )
    .max(50)
    .default([]),
  block: z
    .strictObject({
      /** What requests of one moment share should be over within it. */
      length: duration.refine(isBlockLength, 'expected 100ms to 1h').default('10s'),
      /** `estimated`: merges neighbours while they correlate, up to 64 of them. */
      choice: z.enum(['estimated', 'declared']).default('estimated'),
      /** Blocks that only teach the variance: sums of blocks decide nothing before. */
      burnIn: z.number().int().min(2).max(1_000).default(8),
    })
    .prefault({}),
  /** The error level of all looks and all measures together. */
  alpha: z.number().min(0.0001).max(0.5).default(0.05),
  /** More errors than these points above the current revision are harm. */
  errorMargin: z.number().min(0.0001).max(1).default(0.01),
  /** Slower by more than this share of the latency (with 5 ms added to both sides) is harm. */
  latencyMargin: z.number().min(0.001).max(100).default(0.2),
  /** Decisions (score over one half) may differ from those of the current revision on this share of requests. */
  flipsMax: z.number().min(0.0001).max(0.9999).nullable().default(0.25),
  /** A figure of the business that somebody reports for both arms. */
  metric: z
    .strictObject({
      name: z.string().min(1).max(100),
      better: z.enum(['higher', 'lower']).default('higher'),
      /** A difference per request that does not matter. */
      margin: z.number().min(0).max(1e12).default(0),
    })
    .nullable()
    .default(null),
});
type LiveSpec = z.output<typeof liveSpec>;

/** What a rollout was started with; see {@link liveSpec}. Durations in milliseconds. */
export interface LivePlan
  extends Pick<
    LiveSpec,
    | 'requestsMin'
    | 'approval'
    | 'freeze'
    | 'sticky'
    | 'override'
    | 'armKeys'
    | 'flags'
    | 'alpha'
    | 'errorMargin'
    | 'latencyMargin'
    | 'flipsMax'
    | 'metric'
  > {
  readonly strategy: Exclude<(typeof STRATEGIES)[number], 'paired'>;
  readonly steps: readonly number[];
  /** Several candidates, each compared with the current revision; absent where there is one. */
  readonly arms?: readonly ArmPlan[];
  readonly bandit: Omit<LiveSpec['bandit'], 'every'> & { readonly everyMs: number };
  readonly bakeMs: number;
  readonly maxMs: number;
  readonly blockMs: number;
  /** 1 takes the blocks as declared. */
  readonly rungs: number;
  readonly burnInBlocks: number;
}

export function livePlanOf(strategy: LivePlan['strategy'], spec: LiveSpec): LivePlan {
  const { steps, share, bake, maxDuration, block, bandit, arms: _, ...rest } = spec;
  const { every, ...policy } = bandit;
  return {
    ...rest,
    strategy,
    steps: strategy === 'canary' ? steps : strategy === 'ab' || strategy === 'bandit' ? [share] : [],
    bandit: { ...policy, everyMs: durationMs(every) },
    bakeMs: durationMs(bake),
    maxMs: durationMs(maxDuration),
    blockMs: durationMs(block.length),
    rungs: block.choice === 'declared' ? 1 : 7,
    burnInBlocks: block.burnIn,
  };
}
