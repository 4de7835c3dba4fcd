import type { ForeignRoute } from '#platform/http';
import { LOGGED_MODEL_VOCABULARY, parseFilter, parseOrder } from '../../search/index.ts';
import type { LoggedModelService } from '../../services/models.ts';
import type { ModelOrder } from '../../store/model-search.ts';
import type { LoggedModelStatus } from '../../store/models.ts';
import {
  experimentId,
  filter,
  key,
  maxResults,
  optionalText,
  PARAM_MAX,
  pageTokenField,
  paramsOf,
  recordOf,
  tags,
} from './fields.ts';
import { mlflowRoute } from './route.ts';
import { sentModel } from './views.ts';
import { wire } from './wire.ts';

const STATUSES = ['PENDING', 'READY', 'UPLOAD_FAILED'] as const;
const TAG_VALUE_MAX = 8_000;

const params = () =>
  wire.list(wire.message({ key: key(), value: wire.string(PARAM_MAX).default('') }), 100).default([]);
const modelTags = () => tags({ valueMax: TAG_VALUE_MAX, max: 100 }).default([]);
const byId = () => ({ model_id: wire.required(256) });

export function loggedModelRoutes(service: LoggedModelService): ForeignRoute[] {
  return [...lifeCycle(service), ...parts(service), searching(service)];
}

function lifeCycle(service: LoggedModelService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'logged-models.create',
      major: 2,
      method: 'POST',
      path: 'logged-models',
      permission: 'tracking:write',
      audit: 'logged-model.create',
      input: {
        experiment_id: experimentId(),
        name: optionalText(500),
        model_type: optionalText(500),
        source_run_id: optionalText(256),
        params: params(),
        tags: modelTags(),
      },
      async handler(input, ctx) {
        const model = await service.create(ctx, {
          experiment: input.experiment_id,
          name: input.name,
          modelType: input.model_type,
          sourceRun: input.source_run_id,
          params: paramsOf(input.params),
          tags: recordOf(input.tags),
        });
        return { model: sentModel(model) };
      },
    }),
    mlflowRoute({
      name: 'logged-models.get',
      major: 2,
      method: 'GET',
      path: 'logged-models/:model_id',
      permission: 'tracking:read',
      reads: true,
      input: byId(),
      handler: async (input, ctx) => ({ model: sentModel(await service.get(ctx, input.model_id)) }),
    }),
    mlflowRoute({
      name: 'logged-models.finalize',
      major: 2,
      method: 'PATCH',
      path: 'logged-models/:model_id',
      permission: 'tracking:write',
      audit: 'logged-model.finalize',
      input: { ...byId(), status: wire.oneOf(STATUSES.map((status) => `LOGGED_MODEL_${status}` as const)) },
      async handler(input, ctx) {
        const status = input.status.slice('LOGGED_MODEL_'.length) as LoggedModelStatus;
        return { model: sentModel(await service.finalize(ctx, input.model_id, status)) };
      },
    }),
    mlflowRoute({
      name: 'logged-models.delete',
      major: 2,
      method: 'DELETE',
      path: 'logged-models/:model_id',
      permission: 'tracking:write',
      audit: 'logged-model.delete',
      input: byId(),
      async handler(input, ctx) {
        await service.delete(ctx, input.model_id);
        return {};
      },
    }),
  ];
}

function parts(service: LoggedModelService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'logged-models.set-tags',
      major: 2,
      method: 'PATCH',
      path: 'logged-models/:model_id/tags',
      permission: 'tracking:write',
      audit: 'logged-model.set-tags',
      input: { ...byId(), tags: modelTags() },
      handler: async (input, ctx) => ({
        model: sentModel(await service.setTags(ctx, input.model_id, recordOf(input.tags))),
      }),
    }),
    mlflowRoute({
      name: 'logged-models.delete-tag',
      major: 2,
      method: 'DELETE',
      path: 'logged-models/:model_id/tags/:tag_key',
      permission: 'tracking:write',
      audit: 'logged-model.delete-tag',
      input: { ...byId(), tag_key: key() },
      async handler(input, ctx) {
        await service.deleteTag(ctx, input.model_id, input.tag_key);
        return {};
      },
    }),
    mlflowRoute({
      name: 'logged-models.log-params',
      major: 2,
      method: 'POST',
      path: 'logged-models/:model_id/params',
      permission: 'tracking:write',
      audit: 'logged-model.log-params',
      input: { ...byId(), params: params() },
      async handler(input, ctx) {
        await service.logParams(ctx, input.model_id, paramsOf(input.params));
        return {};
      },
    }),
  ];
}

const datasetFields = { dataset_name: optionalText(500), dataset_digest: optionalText(36) };

function searching(service: LoggedModelService): ForeignRoute {
  return mlflowRoute({
    name: 'logged-models.search',
    major: 2,
    method: 'POST',
    path: 'logged-models/search',
    permission: 'tracking:read',
    reads: true,
    input: {
      experiment_ids: wire.list(experimentId(), 1_000).default([]),
      filter: filter(),
      datasets: wire.list(wire.message({ ...datasetFields, dataset_name: wire.required(500) }), 100).default([]),
      max_results: maxResults(100, 1_000),
      order_by: wire
        .list(
          wire.message({ field_name: wire.required(1_000), ascending: wire.boolean().default(true), ...datasetFields }),
          100,
        )
        .default([]),
      page_token: pageTokenField(),
    },
    async handler(input, ctx) {
      const page = await service.search(ctx, {
        experiments: input.experiment_ids,
        filter: parseFilter(input.filter, LOGGED_MODEL_VOCABULARY),
        datasets: input.datasets.map((of) => ({ name: of.dataset_name, digest: of.dataset_digest })),
        order: input.order_by.map(orderOf),
        limit: input.max_results,
        token: input.page_token || undefined,
      });
      return { models: page.items.map(sentModel), next_page_token: page.next };
    },
  });
}

function orderOf(sent: {
  readonly field_name: string;
  readonly ascending: boolean;
  readonly dataset_name?: string | undefined;
  readonly dataset_digest?: string | undefined;
}): ModelOrder {
  const { field } = parseOrder(sent.field_name, LOGGED_MODEL_VOCABULARY);
  return { field, descending: !sent.ascending, dataset: { name: sent.dataset_name, digest: sent.dataset_digest } };
}
