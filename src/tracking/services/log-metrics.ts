import type { Tx } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import { type Metric, RUN_METRICS_MAX } from '../model.ts';
import { insertModelMetrics, type ModelMetric } from '../store/models.ts';
import type { RunState } from '../store/runs.ts';
import { appendMetrics, countSeries, type KnownSeries, knownSeries } from '../store/series.ts';
import type { Asker } from './require.ts';
import { modelNotFound, requireModel } from './require-model.ts';

/** A metric that may also say which logged model, on which data set, it was measured of. */
export interface LoggedMetric extends Metric {
  readonly model?: { readonly id: string; readonly datasetName?: string; readonly datasetDigest?: string } | undefined;
}

export interface MetricsOfRun {
  readonly run: RunState;
  /** Who logs: a logged model that a metric names must be theirs to write to as well. */
  readonly asker: Asker;
  readonly metrics: readonly LoggedMetric[];
}

/**
 * Logs metrics within a transaction, to the series that are known unless they are to be read. Errors: `tracking/limit`,
 * and `tracking/model-not-found` of what the metrics name.
 */
export async function logMetrics(
  { db }: Pick<Tx, 'db'>,
  batches: readonly MetricsOfRun[],
  known?: KnownSeries,
): Promise<void> {
  const ofRuns = batches.map(({ run, metrics }) => ({ run: run.id, experiment: run.experiment, metrics }));
  const added = await appendMetrics(db, ofRuns, known ?? (await knownSeries(db, ofRuns)));
  for (const run of added) {
    if ((await countSeries(db, run)) <= RUN_METRICS_MAX) continue;
    throw trackingErrors.limit(`run '${run}' would have more than ${RUN_METRICS_MAX} metrics`);
  }
  const ofModels: ModelMetric[] = [];
  for (const { run, asker, metrics } of batches) {
    const measured = metrics.filter((metric) => metric.model !== undefined);
    // Found here, or the database would refuse what the caller got wrong.
    for (const id of new Set(measured.map((metric) => metric.model?.id ?? ''))) {
      const model = await requireModel(db, asker, { id, level: 'EDIT' });
      if (model.project !== run.project) throw modelNotFound(id);
    }
    ofModels.push(...measured.map((metric) => modelMetricOf(run.id, metric)));
  }
  if (ofModels.length > 0) await insertModelMetrics(db, ofModels);
}

function modelMetricOf(run: string, { key, value, step, timestamp, model }: LoggedMetric): ModelMetric {
  const { id, datasetName, datasetDigest } = model as { id: string; datasetName?: string; datasetDigest?: string };
  return { model: id, run, key, value, step, timestamp, datasetName, datasetDigest };
}
