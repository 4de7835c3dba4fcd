import type { ForeignRoute } from '#platform/http';
import type { LineageService } from '../../services/lineage.ts';
import { experimentId, optionalText, runId } from './fields.ts';
import { mlflowRoute } from './route.ts';
import { wire } from './wire.ts';

const INPUTS_MAX = 1_000;
const SUMMARIES_MAX = 1_000;
const BODY_BYTES_MAX = 33_554_432;

const dataset = wire.message({
  name: wire.required(500),
  digest: wire.required(36),
  source_type: wire.required(36),
  source: wire.required(65_535),
  schema: optionalText(1_048_575),
  profile: optionalText(16_777_215),
});
const inputTag = wire.message({ key: wire.required(255), value: wire.required(500) });
const modelId = () => wire.required(256);

export function lineageRoutes(service: LineageService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'runs.log-inputs',
      major: 2,
      method: 'POST',
      path: 'runs/log-inputs',
      permission: 'tracking:write',
      audit: 'tracking-run.log-inputs',
      bodyBytesMax: BODY_BYTES_MAX,
      input: {
        run_id: runId(),
        datasets: wire
          .list(wire.message({ dataset, tags: wire.list(inputTag, 100).default([]) }), INPUTS_MAX)
          .default([]),
        models: wire.list(wire.message({ model_id: modelId() }), INPUTS_MAX).default([]),
      },
      async handler(input, ctx) {
        await service.logInputs(ctx, input.run_id, {
          datasets: input.datasets.map(({ dataset: { source_type: sourceType, ...rest }, tags }) => ({
            dataset: { sourceType, ...rest },
            tags,
          })),
          models: input.models.map((model) => model.model_id),
        });
        return {};
      },
    }),
    mlflowRoute({
      name: 'runs.outputs',
      major: 2,
      method: 'POST',
      path: 'runs/outputs',
      permission: 'tracking:write',
      audit: 'tracking-run.log-outputs',
      input: {
        run_id: runId(),
        models: wire.list(wire.message({ model_id: modelId(), step: wire.int64().default(0) }), INPUTS_MAX),
      },
      async handler(input, ctx) {
        const links = input.models.map(({ model_id: model, step }) => ({ model, step }));
        await service.logOutputs(ctx, input.run_id, links);
        return {};
      },
    }),
    mlflowRoute({
      name: 'experiments.search-datasets',
      major: 2,
      method: 'POST',
      path: 'experiments/search-datasets',
      permission: 'tracking:read',
      reads: true,
      input: { experiment_ids: wire.list(experimentId(), 20) },
      async handler(input, ctx) {
        const found = await service.datasets(ctx, input.experiment_ids, SUMMARIES_MAX);
        return {
          dataset_summaries: found.map(({ experiment, name, digest, context }) => ({
            experiment_id: experiment,
            name,
            digest,
            context,
          })),
        };
      },
    }),
  ];
}
