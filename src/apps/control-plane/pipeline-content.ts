import { KedgeError } from '#core/errors';
import type { Pipelines } from '#pipelines';
import { mayUse } from '#platform/access';
import type { ModelSources } from '#registry';

/** What the steps of a pipeline's run made so far, for versions that a step registers. */
export function pipelineContent(pipelines: () => Pick<Pipelines, 'run'>): NonNullable<ModelSources['pipelineRun']> {
  return async ({ actor }, id) => {
    if (!mayUse(actor, 'pipelines:read')) return undefined;
    const run = await pipelines()
      .run(id)
      .catch((error: unknown) => {
        if (error instanceof KedgeError && error.status === 404) return undefined;
        throw error;
      });
    const outputs = run?.steps.flatMap((step) => Object.entries(step.outputs));
    return (
      outputs && {
        runId: id,
        metrics: {},
        files: async () => outputs.map(([path, { digest, bytes }]) => ({ path, digest, bytes })),
      }
    );
  };
}
