import type { ForeignRoute } from '#platform/http';
import type { RunStatus } from '../../contract.ts';
import { parseFilter, parseOrder, RUN_VOCABULARY } from '../../search/index.ts';
import type { RunService } from '../../services/runs.ts';
import {
  experimentId,
  filter,
  maxResults,
  optionalText,
  orderBy,
  pageTokenField,
  recordOf,
  runId,
  runTags,
  timestamp,
  viewType,
} from './fields.ts';
import { mlflowRoute } from './route.ts';
import { type RunField, sentFields, sentRun, sentRunInfo } from './views.ts';
import { wire } from './wire.ts';

const STATUSES = ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'] as const;
const FIELDS: readonly RunField[] = ['info', 'metrics', 'params', 'tags', 'inputs', 'outputs'];
const RUN_NAME_MAX = 250;

export function runRoutes(service: RunService): ForeignRoute[] {
  return [...making(service), ...lifeCycle(service), searching(service)];
}

function making(service: RunService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'runs.create',
      major: 2,
      method: 'POST',
      path: 'runs/create',
      permission: 'tracking:write',
      audit: 'tracking-run.create',
      input: {
        experiment_id: experimentId().default('0'),
        user_id: wire.string(256).optional(),
        run_name: optionalText(RUN_NAME_MAX),
        start_time: timestamp().optional(),
        tags: runTags().default([]),
      },
      async handler(input, ctx) {
        const run = await service.create(ctx, {
          experiment: input.experiment_id,
          name: input.run_name,
          userId: input.user_id,
          startedAt: input.start_time,
          tags: recordOf(input.tags),
        });
        return { run: sentRun(run) };
      },
    }),
    mlflowRoute({
      name: 'runs.get',
      major: 2,
      method: 'GET',
      path: 'runs/get',
      permission: 'tracking:read',
      reads: true,
      input: { run_id: runId() },
      handler: async (input, ctx) => ({ run: sentRun(await service.get(ctx, input.run_id)) }),
    }),
    mlflowRoute({
      name: 'runs.update',
      major: 2,
      method: 'POST',
      path: 'runs/update',
      permission: 'tracking:write',
      audit: 'tracking-run.update',
      input: {
        run_id: runId(),
        status: wire.oneOf(STATUSES).optional(),
        end_time: timestamp().optional(),
        run_name: optionalText(RUN_NAME_MAX),
      },
      async handler(input, ctx) {
        const run = await service.update(ctx, input.run_id, {
          status: input.status?.toLowerCase() as RunStatus | undefined,
          endedAt: input.end_time,
          name: input.run_name,
        });
        return { run_info: sentRunInfo(run) };
      },
    }),
  ];
}

function lifeCycle(service: RunService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'runs.delete',
      major: 2,
      method: 'POST',
      path: 'runs/delete',
      permission: 'tracking:write',
      audit: 'tracking-run.delete',
      input: { run_id: runId() },
      async handler(input, ctx) {
        await service.delete(ctx, input.run_id);
        return {};
      },
    }),
    mlflowRoute({
      name: 'runs.restore',
      major: 2,
      method: 'POST',
      path: 'runs/restore',
      permission: 'tracking:write',
      audit: 'tracking-run.restore',
      input: { run_id: runId() },
      async handler(input, ctx) {
        await service.restore(ctx, input.run_id);
        return {};
      },
    }),
  ];
}

/** Beyond MLflow's fields, `fields` asks for parts of runs only and `count` for how many there are in all. */
function searching(service: RunService): ForeignRoute {
  return mlflowRoute({
    name: 'runs.search',
    major: 2,
    method: 'POST',
    path: 'runs/search',
    permission: 'tracking:read',
    reads: true,
    input: {
      experiment_ids: wire.list(experimentId(), 1_000).default([]),
      filter: filter(),
      run_view_type: viewType(),
      max_results: maxResults(1_000, 50_000),
      order_by: orderBy(),
      page_token: pageTokenField(),
      fields: wire.list(wire.oneOf(FIELDS), FIELDS.length).optional(),
      count: wire.boolean().default(false),
    },
    async handler(input, ctx) {
      const query = {
        experiments: input.experiment_ids,
        filter: parseFilter(input.filter, RUN_VOCABULARY),
        lifecycle: input.run_view_type,
      };
      const page = await service.search(ctx, {
        ...query,
        order: input.order_by.map((clause) => parseOrder(clause, RUN_VOCABULARY)),
        limit: input.max_results,
        token: input.page_token || undefined,
      });
      const { fields } = input;
      return {
        runs: page.items.map((run) => (fields ? sentFields(run, fields) : sentRun(run))),
        next_page_token: page.next,
        count: input.count ? await service.count(ctx, query) : undefined,
      };
    },
  });
}
