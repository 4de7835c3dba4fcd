import type { ForeignRoute } from '#platform/http';
import { EXPERIMENT_VOCABULARY, parseFilter, parseOrder } from '../../search/index.ts';
import type { ExperimentService } from '../../services/experiments.ts';
import {
  experimentId,
  experimentName,
  filter,
  key,
  maxResults,
  optionalText,
  orderBy,
  pageTokenField,
  tags,
  viewType,
} from './fields.ts';
import { mlflowRoute } from './route.ts';
import { sentExperiment } from './views.ts';
import { wire } from './wire.ts';

const TAG_VALUE_MAX = 5_000;

export function experimentRoutes(service: ExperimentService): ForeignRoute[] {
  return [...finding(service), ...changing(service), ...tagging(service), ...searching(service)];
}

const byId = { experiment_id: experimentId() };

function finding(service: ExperimentService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'experiments.create',
      major: 2,
      method: 'POST',
      path: 'experiments/create',
      permission: 'tracking:write',
      audit: 'experiment.create',
      input: {
        name: experimentName(),
        artifact_location: optionalText(2_000),
        tags: tags({ valueMax: TAG_VALUE_MAX, max: 100 }).default([]),
      },
      async handler(input, ctx) {
        const made = await service.create(ctx, {
          name: input.name,
          artifactLocation: input.artifact_location,
          tags: input.tags,
        });
        return { experiment_id: made.id };
      },
    }),
    mlflowRoute({
      name: 'experiments.get',
      major: 2,
      method: 'GET',
      path: 'experiments/get',
      permission: 'tracking:read',
      reads: true,
      input: byId,
      handler: async (input, ctx) => ({ experiment: sentExperiment(await service.get(ctx, input.experiment_id)) }),
    }),
    mlflowRoute({
      name: 'experiments.get-by-name',
      major: 2,
      method: 'GET',
      path: 'experiments/get-by-name',
      permission: 'tracking:read',
      reads: true,
      input: { experiment_name: experimentName() },
      handler: async (input, ctx) => ({ experiment: sentExperiment(await service.byName(ctx, input.experiment_name)) }),
    }),
  ];
}

function changing(service: ExperimentService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'experiments.update',
      major: 2,
      method: 'POST',
      path: 'experiments/update',
      permission: 'tracking:write',
      audit: 'experiment.rename',
      input: { ...byId, new_name: experimentName() },
      async handler(input, ctx) {
        await service.rename(ctx, input.experiment_id, input.new_name);
        return {};
      },
    }),
    mlflowRoute({
      name: 'experiments.delete',
      major: 2,
      method: 'POST',
      path: 'experiments/delete',
      permission: 'tracking:write',
      audit: 'experiment.delete',
      input: byId,
      async handler(input, ctx) {
        await service.delete(ctx, input.experiment_id);
        return {};
      },
    }),
    mlflowRoute({
      name: 'experiments.restore',
      major: 2,
      method: 'POST',
      path: 'experiments/restore',
      permission: 'tracking:write',
      audit: 'experiment.restore',
      input: byId,
      async handler(input, ctx) {
        await service.restore(ctx, input.experiment_id);
        return {};
      },
    }),
  ];
}

function tagging(service: ExperimentService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'experiments.set-tag',
      major: 2,
      method: 'POST',
      path: 'experiments/set-experiment-tag',
      permission: 'tracking:write',
      audit: 'experiment.set-tag',
      input: { experiment_id: experimentId(), key: key(), value: wire.string(TAG_VALUE_MAX).default('') },
      async handler(input, ctx) {
        await service.setTag(ctx, input.experiment_id, input);
        return {};
      },
    }),
    mlflowRoute({
      name: 'experiments.delete-tag',
      major: 2,
      method: 'POST',
      path: 'experiments/delete-experiment-tag',
      permission: 'tracking:write',
      audit: 'experiment.delete-tag',
      input: { experiment_id: experimentId(), key: key() },
      async handler(input, ctx) {
        await service.deleteTag(ctx, input.experiment_id, input.key);
        return {};
      },
    }),
  ];
}

function searching(service: ExperimentService): ForeignRoute[] {
  return (['POST', 'GET'] as const).map((method) =>
    mlflowRoute({
      name: 'experiments.search',
      major: 2,
      method,
      path: 'experiments/search',
      permission: 'tracking:read',
      reads: true,
      input: {
        filter: filter(),
        order_by: orderBy(),
        view_type: viewType(),
        max_results: maxResults(1_000, 50_000),
        page_token: pageTokenField(),
      },
      async handler(input, ctx) {
        const page = await service.search(ctx, {
          filter: parseFilter(input.filter, EXPERIMENT_VOCABULARY),
          order: input.order_by.map((clause) => parseOrder(clause, EXPERIMENT_VOCABULARY)),
          lifecycle: input.view_type,
          limit: input.max_results,
          token: input.page_token || undefined,
        });
        return { experiments: page.items.map(sentExperiment), next_page_token: page.next };
      },
    }),
  );
}
