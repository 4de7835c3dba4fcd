import { messageOf } from '#core/errors';
import type { System } from '#core/system';
import type { CheckResult } from '../checks/check-result.ts';
import type { CheckWork } from '../checks/routes.ts';
import { openLoop } from '../loadtest/open-loop.ts';
import { answeredTensors, comparedTensors, feedsOfGolden } from './check-tensors.ts';
import { type LiveArm, liveArm } from './live-endpoint.ts';
import { type Row, readInstance, readRow } from './read-instance.ts';
import type { ModelCache } from './runtime/model-cache.ts';
import { whenLoaded } from './runtime/when-loaded.ts';
import { scoreRows } from './score-rows.ts';

const IN_WORK_MAX = 10_000;
const NAMED_MAX = 3;
const DETAILS_MAX = 100;

export interface CheckOptions {
  readonly cache: ModelCache;
  readonly system: System;
  /** After which a request of the load test is given up. */
  readonly timeoutMs: number;
  /** Ends when the gateway closes. */
  readonly signal: AbortSignal;
}

/** Runs the checks before traffic that need the model: it is loaded as for serving and answers nobody. */
export async function checkCandidate(work: CheckWork, options: CheckOptions): Promise<CheckResult[]> {
  const arm = liveArm(work.arm);
  const { golden, load } = work.plan;
  const results: CheckResult[] = [];
  const failing = (check: CheckResult['check'], error: unknown): CheckResult => {
    const text = messageOf(error).slice(0, 400);
    const sentence = `${work.arm.revision} could not be checked: ${text}`;
    return { check, passed: false, sentence, figures: {}, details: [text] };
  };
  if (golden) {
    const result = await checkGolden(arm, { ...work, golden, requests: work.golden }, options).catch((error) =>
      failing('golden', error),
    );
    results.push(result);
  }
  if (load) {
    results.push(
      await checkLoad(arm, { load, requests: work.golden }, options).catch((error) => failing('load', error)),
    );
  }
  return results;
}

type Requests = CheckWork['golden'];

interface GoldenWork {
  readonly golden: NonNullable<CheckWork['plan']['golden']>;
  readonly requests: Requests;
}

/** Asks each golden request once. What cannot be asked, or is not answered, is answered otherwise than recorded. */
async function checkGolden(
  arm: LiveArm,
  { golden, requests }: GoldenWork,
  options: CheckOptions,
): Promise<CheckResult> {
  const { tolerance, differingMax } = golden;
  const details: string[] = [];
  let worst = 0;
  for (const request of requests) {
    const { name } = request;
    const found = await comparedWith(arm, request, options).catch((error: unknown) => messageOf(error));
    if (typeof found === 'string') {
      details.push(`'${name}' was not answered: ${found}`.slice(0, 500));
      continue;
    }
    const { difference, text } = found;
    if (Number.isFinite(difference)) worst = Math.max(worst, difference);
    if (difference > tolerance) details.push(`'${name}' ${text}`);
  }
  const { revision } = arm.arm;
  const passed = details.length <= differingMax * requests.length;
  const good = requests.length - details.length;
  const named = details.length === 0 ? '' : `: ${listed(details)}`;
  return {
    ...{ check: 'golden', passed },
    sentence: `${revision} answered ${good} of ${requests.length} golden requests within ${tolerance}${named}`,
    figures: { requests: requests.length, differing: details.length, largestDifference: worst, tolerance },
    details: details.slice(0, DETAILS_MAX),
  };
}

/** How far an answer is from what is expected: infinitely where that is no matter of numbers. */
interface Found {
  readonly difference: number;
  readonly text: string;
}

async function comparedWith(arm: LiveArm, request: Requests[number], options: CheckOptions): Promise<Found> {
  const { inputs, expected, tensors } = request;
  if (tensors) return comparedTensors(arm, tensors, options.cache);
  const [score = Number.NaN] = await scored(arm, rowOf(arm, inputs), options);
  if (!Number.isFinite(score)) throw new Error(`the model answered ${score}`);
  const wanted = expected ?? Number.NaN;
  return { difference: Math.abs(score - wanted), text: `got ${short(score)} and not ${short(wanted)}` };
}

/** Features of views are inputs like all others here: they are part of what was recorded. */
function rowOf(arm: LiveArm, inputs: Requests[number]['inputs']): Row {
  return readRow(arm, readInstance({ inputs }, ''), { features: undefined, path: '' });
}

function scored({ file }: LiveArm, row: Row, { cache }: Pick<CheckOptions, 'cache'>): Promise<Float32Array> {
  return whenLoaded({
    ready: () => cache.ready(file),
    load: () => cache.load(file),
    use: (runtime) => scoreRows(runtime, [{ row }]),
  });
}

/** A request as it is made of a model that answers nobody, which tells how it ended. */
export function callOf(
  arm: LiveArm,
  { inputs, tensors }: Requests[number],
  options: Pick<CheckOptions, 'cache'>,
): () => Promise<string> {
  if (tensors) {
    const feeds = feedsOfGolden(arm, tensors);
    return () => answeredTensors(arm, { feeds, wanted: tensors.outputs }, options.cache).then(() => 'answered');
  }
  const row = rowOf(arm, inputs);
  return () => scored(arm, row, options).then(([score]) => (Number.isFinite(score) ? 'answered' : 'no number'));
}

interface LoadWork {
  readonly load: NonNullable<CheckWork['plan']['load']>;
  readonly requests: Requests;
}

/**
 * An open loop against the model in this gateway, beside whatever it serves: what is late because the process or the
 * model is busy counts as late. HTTP is left out; `kedge loadtest` measures it too.
 */
async function checkLoad(arm: LiveArm, { load, requests }: LoadWork, options: CheckOptions): Promise<CheckResult> {
  const { rate, seconds, p99MsMax, errorsMax } = load;
  const { system, timeoutMs, signal } = options;
  const { revision } = arm.arm;
  const bodies = requests.map((request) => callOf(arm, request, options));
  await (arm.tensors ? options.cache.loadTensors(arm.tensors.file) : options.cache.load(arm.file));
  const send = (call: () => Promise<string>): Promise<string> =>
    new Promise((resolve) => {
      const cancel = system.clock.after(timeoutMs, () => resolve('timeout'));
      call()
        .then(resolve)
        .catch(() => resolve('error'))
        .finally(cancel);
    });
  const report = await openLoop({
    ...{ bodies, send, rate, seconds, arrivals: 'even', inWorkMax: IN_WORK_MAX },
    ...{ clock: system.clock, random: system.random, signal },
  });
  const failed = Object.values(report.failures).reduce((sum, count) => sum + count, 0);
  const total = report.answered + failed;
  const p99 = report.latencyMs?.p99 ?? Number.POSITIVE_INFINITY;
  const slow = p99 > p99MsMax;
  const passed = !slow && failed <= errorsMax * total;
  const time = Number.isFinite(p99) ? `${short(p99)} ms` : 'never';
  const what = Object.entries(report.failures).map(([word, count]) => `${count} × ${word}`);
  return {
    ...{ check: 'load', passed },
    sentence:
      `At ${rate} requests a second for ${seconds} s ${revision} answered 99 % within ${time} ` +
      `(limit ${p99MsMax} ms) and failed ${failed} of ${total} (limit ${short(100 * errorsMax)} %)`,
    figures: {
      ...{ rate, seconds, requests: total, failed, senderLateMs: report.senderLateMs },
      ...(report.latencyMs ? { p50Ms: report.latencyMs.p50, p99Ms: report.latencyMs.p99 } : {}),
    },
    details: what,
  };
}

const short = (value: number): string => String(Number(value.toPrecision(3)));

function listed(details: readonly string[]): string {
  const more = details.length > NAMED_MAX ? ` and ${details.length - NAMED_MAX} more` : '';
  return `${details.slice(0, NAMED_MAX).join('; ')}${more}`;
}
