import { z } from 'zod';
import { DURATION_PATTERN, durationMs } from '#core/units';

const duration = z.string().regex(DURATION_PATTERN, 'expected a duration such as 5s, 10m or 24h');

/** A load test runs in a gateway that serves: longer ones belong to a machine of their own (`kedge loadtest`). */
const LOAD_MS_MAX = 60_000;
const isLoadLength = (text: string): boolean => {
  const lengthMs = DURATION_PATTERN.test(text) ? durationMs(text) : 0;
  return lengthMs >= 100 && lengthMs <= LOAD_MS_MAX;
};

/** What a version has to show before it answers anybody. A forced rollout and the first version skip all of it. */
export const checksSpec = z.strictObject({
  /**
   * What a check that is not passed does. `refuse`: the version is refused. `note`: the rollout goes on, and what was
   * found stays in its history.
   */
  onFailure: z.enum(['refuse', 'note']).default('refuse'),
  /**
   * How the inputs and the output may differ from those of the current revision. `note`: in any way, and it is written
   * down. `compatible`: requests of today do for it. `same`: not at all.
   */
  signature: z.enum(['note', 'compatible', 'same']).default('note'),
  /** The recorded golden requests of the endpoint have to be answered as recorded. */
  golden: z
    .strictObject({
      /** The largest difference of a score that is none. */
      tolerance: z.number().min(0).max(1e9).default(0.1),
      /** The share of golden requests that may be answered otherwise. */
      differingMax: z.number().min(0).max(1).default(0),
      /** So many golden requests there have to be. */
      requestsMin: z.number().int().min(1).max(500).default(1),
    })
    .nullable()
    .default(null),
  /** Its model is asked the golden requests at a fixed rate, whether or not it keeps up, in one gateway. */
  load: z
    .strictObject({
      /** Requests per second. */
      rate: z.number().min(1).max(2_000).default(100),
      duration: duration.refine(isLoadLength, 'expected 100ms to 1m').default('5s'),
      /** Counted from when each request was due. */
      p99MsMax: z.number().min(0.1).max(60_000).default(100),
      errorsMax: z.number().min(0).max(1).default(0),
    })
    .nullable()
    .default(null),
  /** How long it is scored beside every answer before it answers anybody; `paired` has a shadow stage of its own. */
  shadow: duration.nullable().default(null),
});

/** What a rollout was started with; see {@link checksSpec}. */
export interface ChecksPlan extends Pick<z.output<typeof checksSpec>, 'signature' | 'golden'> {
  /** `refuse` in plans that do not say. */
  readonly onFailure?: z.output<typeof checksSpec>['onFailure'];
  readonly load: {
    readonly rate: number;
    readonly seconds: number;
    readonly p99MsMax: number;
    readonly errorsMax: number;
  } | null;
  readonly shadowMs: number | null;
}

export function checksPlanOf(spec: z.output<typeof checksSpec>): ChecksPlan {
  const { onFailure, signature, golden, load, shadow } = spec;
  return {
    ...{ onFailure, signature, golden },
    load: load && {
      ...{ rate: load.rate, p99MsMax: load.p99MsMax, errorsMax: load.errorsMax },
      seconds: durationMs(load.duration) / 1_000,
    },
    shadowMs: shadow === null ? null : durationMs(shadow),
  };
}

/** Whether a gateway has to run something before traffic. */
export function needsGateway({ golden, load }: ChecksPlan): boolean {
  return golden !== null || load !== null;
}
