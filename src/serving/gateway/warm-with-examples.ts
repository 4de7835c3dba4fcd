import { type Clock, sleep } from '#core/clock';
import type { GoldenRequest } from '../checks/golden-request.ts';
import type { RoutedEndpoint } from '../routing.ts';
import { callOf } from './check-candidate.ts';
import { type LiveArm, liveArm } from './live-endpoint.ts';
import type { ModelCache } from './runtime/model-cache.ts';

export interface ExampleOptions {
  readonly cache: ModelCache;
  readonly clock: Clock;
  /** Requests as an endpoint gets them. Rejects where nobody knows any. */
  readonly examples: (endpoint: string) => Promise<readonly GoldenRequest[]>;
}

/** Endpoints of one table that are warmed so, and how many at once: a table of thousands must not wait for it. */
const ENDPOINTS_MAX = 100;
const TOGETHER = 8;
/** Models run in this process, which serves others meanwhile; a slow one is warm after a few. */
const ARM_MS_MAX = 200;
/** A model that does not answer at all must not keep its table waiting. */
const ARM_WAIT_MS = 1_000;

/**
 * Has revisions answer requests as their endpoint gets them before they answer anybody: rows of zeros, with which every
 * model is warmed when it is loaded, have neither the categories nor the sizes of tensors that people send. Only models
 * that run here are asked; that one does not answer an example is no matter, since checks before traffic judge that.
 */
export async function warmWithExamples(
  endpoints: readonly RoutedEndpoint[],
  isNew: (arm: LiveArm) => boolean,
  options: ExampleOptions,
): Promise<void> {
  const work = endpoints.flatMap(({ name, current, candidate, arms = [] }) => {
    const fresh = [current, ...(candidate ? [candidate] : []), ...arms]
      .map((arm) => liveArm(arm))
      .filter((arm) => isNew(arm) && runsHere(arm, options.cache));
    return fresh.length > 0 ? [{ name, fresh }] : [];
  });
  const left = work.slice(0, ENDPOINTS_MAX);
  const next = async (): Promise<void> => {
    for (let one = left.shift(); one; one = left.shift()) {
      const examples = await options.examples(one.name).catch(() => {
        // Whoever knows them is away, and must not be waited for once an endpoint.
        left.length = 0;
        return [];
      });
      for (const arm of examples.length > 0 ? one.fresh : [])
        await within(options.clock, askAll(arm, examples, options));
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, next));
}

async function within(clock: Clock, work: Promise<void>): Promise<void> {
  const waited = new AbortController();
  await Promise.race([work, sleep(clock, ARM_WAIT_MS, waited.signal)]);
  waited.abort();
}

function runsHere({ file, tensors }: LiveArm, cache: ModelCache): boolean {
  const { kind } = (tensors ? cache.readyTensors(tensors.file) : cache.ready(file)) ?? {};
  return kind === 'inline' || kind === 'trees' || kind === 'thread';
}

async function askAll(arm: LiveArm, examples: readonly GoldenRequest[], options: ExampleOptions): Promise<void> {
  const { cache, clock } = options;
  const startedMs = clock.monotonic();
  for (const example of examples) {
    if (clock.monotonic() - startedMs > ARM_MS_MAX || !runsHere(arm, cache)) return;
    try {
      await callOf(arm, example, { cache })();
    } catch {
      // An example that the model does not take is passed over.
    }
    // Whoever is served meanwhile comes in between.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
