import { KedgeError } from '#core/errors';
import type { Pipelines } from '#pipelines';
import type { Database } from '#platform/db';
import type { RunLineage } from '#registry/bom';
import { type Tracking, trackedLineage } from '#tracking';

const CONTEXT_TAG = 'mlflow.data.context';
const RUN_TAG = 'kedge.run';

/**
 * Where a version comes from: the tracked run of this id with the datasets that it read, or else the run of a pipeline.
 * Nothing for an id that neither knows.
 */
export function runLineage(sources: {
  readonly db: Database;
  readonly tracking: Pick<Tracking, 'getRun'>;
  readonly pipelines: Pick<Pipelines, 'run'>;
}): (run: string) => Promise<RunLineage | undefined> {
  const { db, tracking, pipelines } = sources;
  return async (id) => {
    const tracked = await unlessMissing(tracking.getRun(id));
    if (tracked) {
      const found = (await trackedLineage(db.reader, [id])).get(id);
      const datasets = (found?.datasets ?? []).map(({ dataset, tags }) => ({
        name: dataset.name,
        digest: dataset.digest,
        source: dataset.source,
        context: tags.find((tag) => tag.key === CONTEXT_TAG)?.value ?? null,
      }));
      const { name, startedAt, endedAt, params } = tracked;
      return { run: id, name, startedAt, endedAt, params, datasets };
    }
    const run = await unlessMissing(pipelines.run(id));
    if (!run) return undefined;
    const params = Object.fromEntries(Object.entries(run.params).map(([name, value]) => [name, String(value)]));
    return { run: id, name: run.pipeline, startedAt: run.startedAt, endedAt: run.finishedAt, params, datasets: [] };
  };
}

/**
 * The run of a pipeline that a version comes from: what it names itself, or what a tracked run says in the tag that the
 * worker gives to runs which steps start.
 */
export function pipelineRunOfVersion(
  tracking: Pick<Tracking, 'getRun'>,
): (runId: string) => Promise<string | undefined> {
  return async (id) => {
    const tracked = await unlessMissing(tracking.getRun(id));
    return tracked ? tracked.tags[RUN_TAG] : id;
  };
}

async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof KedgeError && error.status === 404) return undefined;
    throw error;
  }
}
