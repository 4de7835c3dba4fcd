import type { ForeignRoute } from '#platform/http';
import type { EvaluationDatasetService } from '../../../evaluation/datasets.ts';
import { EVALUATION_LIMITS } from '../../../evaluation/model.ts';
import { EVALUATION_DATASET_VOCABULARY } from '../../../evaluation/vocabulary.ts';
import { parseFilter, parseOrder } from '../../../search/index.ts';
import { experimentId, filter, maxResults, orderBy, pageTokenField } from '../fields.ts';
import { mlflowRoute } from '../route.ts';
import { wire } from '../wire.ts';
import { datasetTags } from './json-fields.ts';
import { sentDataset } from './views.ts';

export const byDataset = () => ({ dataset_id: wire.required(256) });
const experiments = () => wire.list(experimentId(), EVALUATION_LIMITS.experiments);
const TAGS_LENGTH_MAX = 1_000_000;

export function evaluationDatasetRoutes(service: EvaluationDatasetService): ForeignRoute[] {
  return [...keeping(service), ...searching(service), ...tagging(service), ...linking(service)];
}

function keeping(service: EvaluationDatasetService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'evaluation-datasets.create',
      major: 3,
      method: 'POST',
      path: 'datasets/create',
      permission: 'tracking:write',
      audit: 'evaluation-dataset.create',
      input: {
        name: wire.required(500),
        experiment_ids: experiments().default([]),
        tags: wire.string(TAGS_LENGTH_MAX).default(''),
      },
      async handler(input, ctx) {
        const draft = { name: input.name, experiments: input.experiment_ids, tags: datasetTags(input.tags) };
        return { dataset: sentDataset(await service.create(ctx, draft)) };
      },
    }),
    mlflowRoute({
      name: 'evaluation-datasets.get',
      major: 3,
      method: 'GET',
      path: 'datasets/:dataset_id',
      permission: 'tracking:read',
      reads: true,
      input: byDataset(),
      handler: async (input, ctx) => ({ dataset: sentDataset(await service.get(ctx, input.dataset_id)) }),
    }),
    mlflowRoute({
      name: 'evaluation-datasets.delete',
      major: 3,
      method: 'DELETE',
      path: 'datasets/:dataset_id',
      permission: 'tracking:write',
      audit: 'evaluation-dataset.delete',
      input: byDataset(),
      async handler(input, ctx) {
        await service.delete(ctx, input.dataset_id);
        return {};
      },
    }),
  ];
}

function searching(service: EvaluationDatasetService): ForeignRoute[] {
  return (['POST', 'GET'] as const).map((method) =>
    mlflowRoute({
      name: 'evaluation-datasets.search',
      major: 3,
      method,
      path: 'datasets/search',
      permission: 'tracking:read',
      reads: true,
      input: {
        experiment_ids: experiments().default([]),
        filter_string: filter(),
        max_results: maxResults(1_000, 50_000),
        order_by: orderBy(),
        page_token: pageTokenField(),
      },
      async handler(input, ctx) {
        const page = await service.search(ctx, {
          experiments: input.experiment_ids.length === 0 ? undefined : input.experiment_ids,
          filter: parseFilter(input.filter_string, EVALUATION_DATASET_VOCABULARY),
          order: input.order_by.map((clause) => parseOrder(clause, EVALUATION_DATASET_VOCABULARY)),
          limit: input.max_results,
          token: input.page_token || undefined,
        });
        return { datasets: page.items.map(sentDataset), next_page_token: page.next };
      },
    }),
  );
}

function tagging(service: EvaluationDatasetService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'evaluation-datasets.set-tags',
      major: 3,
      method: 'PATCH',
      path: 'datasets/:dataset_id/tags',
      permission: 'tracking:write',
      audit: 'evaluation-dataset.set-tags',
      input: { ...byDataset(), tags: wire.string(TAGS_LENGTH_MAX) },
      handler: async (input, ctx) => ({
        dataset: sentDataset(await service.setTags(ctx, input.dataset_id, datasetTags(input.tags))),
      }),
    }),
    mlflowRoute({
      name: 'evaluation-datasets.delete-tag',
      major: 3,
      method: 'DELETE',
      path: 'datasets/:dataset_id/tags/:key',
      permission: 'tracking:write',
      audit: 'evaluation-dataset.delete-tag',
      input: { ...byDataset(), key: wire.required(250) },
      async handler(input, ctx) {
        await service.deleteTag(ctx, input.dataset_id, input.key);
        return {};
      },
    }),
  ];
}

function linking(service: EvaluationDatasetService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'evaluation-datasets.experiment-ids',
      major: 3,
      method: 'GET',
      path: 'datasets/:dataset_id/experiment-ids',
      permission: 'tracking:read',
      reads: true,
      input: byDataset(),
      handler: async (input, ctx) => ({ experiment_ids: (await service.get(ctx, input.dataset_id)).experiments }),
    }),
    mlflowRoute({
      name: 'evaluation-datasets.add-experiments',
      major: 3,
      method: 'POST',
      path: 'datasets/:dataset_id/add-experiments',
      permission: 'tracking:write',
      audit: 'evaluation-dataset.add-experiments',
      input: { ...byDataset(), experiment_ids: experiments() },
      handler: async (input, ctx) => ({
        dataset: sentDataset(await service.addExperiments(ctx, input.dataset_id, input.experiment_ids)),
      }),
    }),
    mlflowRoute({
      name: 'evaluation-datasets.remove-experiments',
      major: 3,
      method: 'POST',
      path: 'datasets/:dataset_id/remove-experiments',
      permission: 'tracking:write',
      audit: 'evaluation-dataset.remove-experiments',
      input: { ...byDataset(), experiment_ids: experiments() },
      handler: async (input, ctx) => ({
        dataset: sentDataset(await service.removeExperiments(ctx, input.dataset_id, input.experiment_ids)),
      }),
    }),
  ];
}
