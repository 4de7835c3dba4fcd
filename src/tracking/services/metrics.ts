import type { Context } from '#platform/db';
import type { MetricPoint } from '../model.ts';
import { keyValuesOf, pageToken } from '../store/filter/index.ts';
import type { FoundPage } from '../store/found.ts';
import { metricHistory, pointsAt, type StepRange, stepsOf } from '../store/series.ts';
import type { TrackingDeps } from './deps.ts';
import { requireRun } from './require.ts';

export interface RunPoint extends MetricPoint {
  readonly run: string;
}

/** The points of metrics. */
export class MetricService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  /** By time, then step, then value, as MLflow has it. */
  async history(
    context: Context,
    of: { readonly run: string; readonly key: string },
    page: { readonly limit: number; readonly token: string | undefined },
  ): Promise<FoundPage<MetricPoint>> {
    const { reader } = this.#deps.db;
    await requireRun(reader, context, { id: of.run, level: 'READ' });
    const after = page.token === undefined ? undefined : pointOf(page.token, of);
    const points = await metricHistory(reader, of, { order: 'timestamp', after, limit: page.limit + 1 });
    const items = points.slice(0, page.limit);
    const last = items.at(-1);
    if (points.length <= page.limit || !last) return { items, next: undefined };
    return { items, next: pageToken(of, [last.timestamp, last.step, String(last.value)]) };
  }

  /** Whole histories of one metric of several runs, the first `limit` points of each. */
  async bulk(
    context: Context,
    of: { readonly runs: readonly string[]; readonly key: string },
    limit: number,
  ): Promise<RunPoint[]> {
    const { reader } = this.#deps.db;
    const found: RunPoint[] = [];
    for (const run of of.runs) {
      await requireRun(reader, context, { id: run, level: 'READ' });
      const page = { order: 'timestamp', after: undefined, limit } as const;
      const points = await metricHistory(reader, { run, key: of.key }, page);
      found.push(...points.map((point) => ({ run, ...point })));
    }
    return found;
  }

  /**
   * The points of one metric of several runs at about `limit` steps, evenly spread over all steps that any of the runs
   * has in the range; the first and last step of each run are among them.
   */
  async sampled(
    context: Context,
    of: { readonly runs: readonly string[]; readonly key: string },
    { limit, ...range }: StepRange & { readonly limit: number },
  ): Promise<RunPoint[]> {
    const { reader } = this.#deps.db;
    const all = new Set<number>();
    const ends = new Set<number>();
    for (const run of of.runs) {
      await requireRun(reader, context, { id: run, level: 'READ' });
      const steps = await stepsOf(reader, { run, key: of.key }, range);
      for (const step of steps) all.add(step);
      for (const step of [steps[0], steps.at(-1)]) if (step !== undefined) ends.add(step);
    }
    const sampled = evenly(
      [...all].sort((a, b) => a - b),
      limit,
    );
    const steps = [...new Set([...sampled, ...ends])].sort((a, b) => a - b);
    const found: RunPoint[] = [];
    for (const run of of.runs) {
      const points = await pointsAt(reader, { run, key: of.key }, steps);
      found.push(...points.map((point) => ({ run, ...point })));
    }
    return found;
  }
}

/** At most `count` of the values, at even distances. */
export function evenly<T>(values: readonly T[], count: number): T[] {
  if (values.length <= count) return [...values];
  const stride = values.length / count;
  return Array.from({ length: count }, (_, i) => values[Math.floor(i * stride)] as T);
}

function pointOf(token: string, of: unknown): MetricPoint {
  const [timestamp, step, value] = keyValuesOf(token, of, ['integer', 'integer', 'text']);
  return { timestamp: Number(timestamp), step: Number(step), value: Number(value) };
}
