import type { ForeignRoute } from '#platform/http';
import { parseFilter, parseOrder } from '../../../search/index.ts';
import { TRACE_LIMITS } from '../../../traces/model.ts';
import type { TraceService } from '../../../traces/service.ts';
import { TRACE_VOCABULARY } from '../../../traces/vocabulary.ts';
import { experimentId, filter, maxResults, orderBy, pageTokenField, recordOf, runId, timestamp } from '../fields.ts';
import { mlflowRoute } from '../route.ts';
import { wire } from '../wire.ts';
import { tagKey, traceId, traceIds } from './fields.ts';
import { sentTraceV2 } from './views.ts';

const pairs = (valueMax: number) =>
  wire
    .list(wire.message({ key: tagKey(), value: wire.string(valueMax).default('') }), TRACE_LIMITS.keys)
    .default([])
    .transform(recordOf);
const told = {
  timestamp_ms: timestamp(),
  request_metadata: pairs(TRACE_LIMITS.metadataLength),
  tags: pairs(TRACE_LIMITS.tagLength),
};

/** How clients before MLflow 3 tell of traces, and what clients of MLflow 3 still ask for under version 2. */
export function earlierClientRoutes(traces: TraceService): ForeignRoute[] {
  return [...telling(traces), ...finding(traces), ...linking(traces)];
}

function telling(traces: TraceService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'traces.start-v2',
      major: 2,
      method: 'POST',
      path: 'traces',
      permission: 'tracking:write',
      audit: 'trace.start',
      input: { experiment_id: experimentId(), ...told },
      async handler(input, ctx) {
        const trace = await traces.begin(ctx, {
          experiment: input.experiment_id,
          requestedAt: input.timestamp_ms,
          tags: input.tags,
          metadata: input.request_metadata,
        });
        return { trace_info: sentTraceV2(trace) };
      },
    }),
    mlflowRoute({
      name: 'traces.end-v2',
      major: 2,
      method: 'PATCH',
      path: 'traces/:trace_id',
      permission: 'tracking:write',
      audit: 'trace.end',
      input: {
        trace_id: traceId(),
        status: wire
          .oneOf(['TRACE_STATUS_UNSPECIFIED', 'OK', 'ERROR', 'IN_PROGRESS'])
          .default('TRACE_STATUS_UNSPECIFIED'),
        ...told,
      },
      async handler(input, ctx) {
        const trace = await traces.end(ctx, input.trace_id, {
          endedAt: input.timestamp_ms,
          state: input.status === 'TRACE_STATUS_UNSPECIFIED' ? 'STATE_UNSPECIFIED' : input.status,
          tags: input.tags,
          metadata: input.request_metadata,
        });
        return { trace_info: sentTraceV2(trace) };
      },
    }),
  ];
}

function finding(traces: TraceService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'traces.get-info-v2',
      major: 2,
      method: 'GET',
      path: 'traces/:trace_id/info',
      permission: 'tracking:read',
      reads: true,
      input: { trace_id: traceId() },
      handler: async (input, ctx) => ({ trace_info: sentTraceV2(await traces.get(ctx, input.trace_id)) }),
    }),
    mlflowRoute({
      name: 'traces.search-v2',
      major: 2,
      method: 'GET',
      path: 'traces',
      permission: 'tracking:read',
      reads: true,
      input: {
        experiment_ids: wire.list(experimentId(), 1_000),
        filter: filter(),
        max_results: maxResults(100, 500),
        order_by: orderBy(),
        page_token: pageTokenField(),
      },
      async handler(input, ctx) {
        const page = await traces.search(ctx, {
          experiments: input.experiment_ids,
          filter: parseFilter(input.filter, TRACE_VOCABULARY),
          order: input.order_by.map((clause) => parseOrder(clause, TRACE_VOCABULARY)),
          limit: input.max_results,
          token: input.page_token || undefined,
        });
        return { traces: page.items.map(sentTraceV2), next_page_token: page.next };
      },
    }),
  ];
}

function linking(traces: TraceService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'traces.link-to-run',
      major: 2,
      method: 'POST',
      path: 'traces/link-to-run',
      permission: 'tracking:write',
      audit: 'trace.link',
      input: { trace_ids: traceIds(TRACE_LIMITS.linksInRequest).default([]), run_id: runId() },
      async handler(input, ctx) {
        await traces.linkToRun(ctx, input.trace_ids, input.run_id);
        return {};
      },
    }),
    mlflowRoute({
      name: 'traces.link-prompts',
      major: 2,
      method: 'POST',
      path: 'traces/link-prompts',
      permission: 'tracking:write',
      audit: 'trace.link',
      input: {
        trace_id: traceId(),
        prompt_versions: wire
          .list(wire.message({ name: wire.required(500), version: wire.required(100) }), TRACE_LIMITS.linksInRequest)
          .default([]),
      },
      async handler(input, ctx) {
        await traces.linkPrompts(ctx, input.trace_id, input.prompt_versions);
        return {};
      },
    }),
  ];
}
