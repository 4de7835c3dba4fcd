import type { Page } from '#platform/contract';
import type { Context } from '#platform/db';
import type { MetricPoint, Run } from '../model.ts';
import { parseFilter, parseOrder, RUN_VOCABULARY } from '../search/index.ts';
import type { RunLineage } from '../store/lineage.ts';
import { type RunKeys, runKeys } from '../store/run-keys.ts';
import type { TrackingDeps } from './deps.ts';
import { ExperimentService, type TaggedExperiment } from './experiments.ts';
import { MetricService } from './metrics.ts';
import { requireExperiment } from './require.ts';
import { RunService } from './runs.ts';

export interface RunQuestion {
  readonly filter: string;
  readonly lifecycle: 'active' | 'deleted';
}

/** Of so many of the newest runs the keys are looked up. */
const KEYED_RUNS = 1_000;
const KEYS_MAX = 2_000;

/** What people look at when they compare runs: found by a filter, with whole curves and what they were made from. */
export class ExploreService {
  readonly #deps: TrackingDeps;
  readonly #experiments: ExperimentService;
  readonly #runs: RunService;
  readonly #metrics: MetricService;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
    this.#experiments = new ExperimentService(deps);
    this.#runs = new RunService(deps);
    this.#metrics = new MetricService(deps);
  }

  experiment(context: Context, id: string): Promise<TaggedExperiment> {
    return this.#experiments.get(context, id);
  }

  /** Errors: `search/invalid-filter`, `search/invalid-order` and `search/invalid-page-token`. */
  async runs(
    context: Context,
    experiment: string,
    question: RunQuestion & { readonly order: string; readonly after?: string | undefined; readonly limit: number },
  ): Promise<Page<Run>> {
    await this.#requireExperiment(context, experiment);
    const { filter, order, lifecycle, after: token, limit } = question;
    return this.#runs.search(context, {
      experiments: [experiment],
      filter: parseFilter(filter, RUN_VOCABULARY),
      order: order === '' ? [] : [parseOrder(order, RUN_VOCABULARY)],
      lifecycle,
      limit,
      token,
    });
  }

  async count(context: Context, experiment: string, { filter, lifecycle }: RunQuestion): Promise<number> {
    await this.#requireExperiment(context, experiment);
    const parsed = parseFilter(filter, RUN_VOCABULARY);
    return this.#runs.count(context, { experiments: [experiment], filter: parsed, lifecycle });
  }

  async keys(context: Context, experiment: string): Promise<RunKeys> {
    await this.#requireExperiment(context, experiment);
    return runKeys(this.#deps.db.reader, experiment, { newest: KEYED_RUNS, limit: KEYS_MAX });
  }

  async series(
    context: Context,
    of: { readonly run: string; readonly key: string },
    page: { readonly limit: number; readonly after?: string | undefined },
  ): Promise<Page<MetricPoint>> {
    return this.#metrics.history(context, of, { limit: page.limit, token: page.after });
  }

  async lineage(context: Context, run: string): Promise<RunLineage> {
    return (await this.#runs.get(context, run)).lineage;
  }

  async #requireExperiment(context: Context, id: string): Promise<void> {
    await requireExperiment(this.#deps.db.reader, context, { id, level: 'READ' });
  }
}
