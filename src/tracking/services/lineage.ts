import type { Context } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import * as lineage from '../store/lineage.ts';
import type { TrackingDeps } from './deps.ts';
import { requireWritable, visibleExperiments } from './require.ts';

export const RUN_DATASETS_MAX = 5_000;

/** Which data sets and logged models runs read and made. */
export class LineageService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  async logInputs(
    context: Context,
    run: string,
    inputs: { readonly datasets: readonly lineage.DatasetInput[]; readonly models: readonly string[] },
  ): Promise<void> {
    await this.#deps.db.transact(context, async (tx) => {
      const { experiment } = await requireWritable(tx.db, context, run);
      for (const { dataset, tags } of inputs.datasets) {
        const id = await lineage.putDataset(tx.db, experiment, { id: this.#deps.system.ids.next('ds'), dataset });
        await lineage.putDatasetInput(tx.db, run, { dataset: id, tags });
      }
      if ((await lineage.countDatasetInputs(tx.db, run)) > RUN_DATASETS_MAX) {
        throw trackingErrors.limit(`run '${run}' would have more than ${RUN_DATASETS_MAX} data sets`);
      }
      const links = inputs.models.map((model) => ({ model, step: 0 }));
      await lineage.putModelLinks(tx.db, { run, direction: 'input' }, links);
      const datasets = inputs.datasets.map(({ dataset }) => `${dataset.name}@${dataset.digest}`);
      tx.audit(`tracking-run/${run}`, { datasets, inputModels: inputs.models });
    });
  }

  async logOutputs(context: Context, run: string, models: readonly lineage.ModelLink[]): Promise<void> {
    await this.#deps.db.transact(context, async (tx) => {
      await requireWritable(tx.db, context, run);
      await lineage.putModelLinks(tx.db, { run, direction: 'output' }, models);
      tx.audit(`tracking-run/${run}`, { outputModels: models.map(({ model }) => model) });
    });
  }

  /** The data sets of these experiments, those outside the project left out. */
  async datasets(context: Context, experiments: readonly string[], limit: number): Promise<lineage.DatasetSummary[]> {
    const { reader } = this.#deps.db;
    const ids = await visibleExperiments(reader, context, experiments);
    return ids.length === 0 ? [] : lineage.datasetSummaries(reader, ids, limit);
  }
}
