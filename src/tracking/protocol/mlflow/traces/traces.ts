import type { ForeignRoute } from '#platform/http';
import { trackingErrors } from '../../../errors.ts';
import { parseFilter, parseOrder } from '../../../search/index.ts';
import { TRACE_LIMITS } from '../../../traces/model.ts';
import type { TraceService } from '../../../traces/service.ts';
import type { SpanService } from '../../../traces/spans.ts';
import { TRACE_VOCABULARY } from '../../../traces/vocabulary.ts';
import { experimentId, filter, maxResults, optionalText, orderBy, pageTokenField, timestamp } from '../fields.ts';
import { invalidValue, mlflowRoute } from '../route.ts';
import { wire } from '../wire.ts';
import { draftOf } from './assessments.ts';
import {
  assessment,
  duration,
  metadataMap,
  preview,
  state,
  TRACE_BODY_BYTES_MAX,
  tagKey,
  tagMap,
  tagValue,
  time,
  traceId,
  traceIds,
} from './fields.ts';
import { sentTrace, sentTraceWithSpans } from './views.ts';

const TRACES_IN_REQUEST_MAX = 1_000;
const TRACES_READ_MAX = 100;
/** What a request without a limit of its own removes at most, so that it ends. */
const TRACES_DELETED_MAX = 100_000;

export interface TraceServices {
  readonly traces: TraceService;
  readonly spans: SpanService;
}

export function traceRoutes(services: TraceServices): ForeignRoute[] {
  return [starting(services.traces), ...reading(services), searching(services.traces), ...changing(services.traces)];
}

const location = wire.message({
  mlflow_experiment: wire.message({ experiment_id: experimentId() }),
});

function starting(traces: TraceService): ForeignRoute {
  return mlflowRoute({
    name: 'traces.start',
    major: 3,
    method: 'POST',
    path: 'traces',
    permission: 'tracking:write',
    audit: 'trace.start',
    bodyBytesMax: TRACE_BODY_BYTES_MAX,
    input: {
      trace: wire.message({
        trace_info: wire.message({
          trace_id: traceId(),
          client_request_id: optionalText(1_000),
          trace_location: location,
          request_preview: preview(),
          response_preview: preview(),
          request_time: time(),
          execution_duration: duration().optional(),
          state: state(),
          trace_metadata: metadataMap(),
          tags: tagMap(),
          assessments: wire.list(assessment(), TRACE_LIMITS.assessments).default([]),
        }),
      }),
    },
    async handler({ trace: { trace_info: info } }, ctx) {
      const trace = await traces.start(ctx, {
        id: info.trace_id,
        experiment: info.trace_location.mlflow_experiment.experiment_id,
        requestedAt: info.request_time,
        durationMs: info.execution_duration,
        state: info.state,
        clientRequestId: info.client_request_id,
        requestPreview: info.request_preview,
        responsePreview: info.response_preview,
        tags: info.tags,
        metadata: info.trace_metadata,
        assessments: info.assessments.map((sent, i) =>
          draftOf(sent, `trace.trace_info.assessments[${i}]`, { withId: true }),
        ),
      });
      return { trace: { trace_info: sentTrace(trace) } };
    },
  });
}

function reading({ traces, spans }: TraceServices): ForeignRoute[] {
  const experiments = () => wire.list(experimentId(), TRACES_IN_REQUEST_MAX).optional();
  return [
    mlflowRoute({
      name: 'traces.get',
      major: 3,
      method: 'GET',
      path: 'traces/get',
      permission: 'tracking:read',
      reads: true,
      input: { trace_id: traceId(), allow_partial: wire.boolean().default(false) },
      async handler(input, ctx) {
        await traces.get(ctx, input.trace_id);
        const [trace] = await spans.read(ctx, [input.trace_id], { partial: input.allow_partial });
        if (trace) return { trace: sentTraceWithSpans(trace) };
        throw trackingErrors['trace-incomplete'](
          `Trace with ID ${input.trace_id} is not fully exported yet, please try again later.`,
        );
      },
    }),
    mlflowRoute({
      name: 'traces.batch-get',
      major: 3,
      method: 'GET',
      path: 'traces/batchGet',
      permission: 'tracking:read',
      reads: true,
      input: { trace_ids: traceIds(TRACES_READ_MAX), experiment_ids: experiments() },
      async handler(input, ctx) {
        const found = await spans.read(ctx, input.trace_ids, { experiments: input.experiment_ids, partial: false });
        return { traces: found.map(sentTraceWithSpans) };
      },
    }),
    mlflowRoute({
      name: 'traces.batch-get-infos',
      major: 3,
      method: 'POST',
      path: 'traces/batchGetInfos',
      permission: 'tracking:read',
      reads: true,
      input: { trace_ids: traceIds(TRACES_IN_REQUEST_MAX), experiment_ids: experiments() },
      async handler(input, ctx) {
        const found = await traces.several(ctx, input.trace_ids, input.experiment_ids);
        return { trace_infos: found.map(sentTrace) };
      },
    }),
    mlflowRoute({
      name: 'traces.get-info',
      major: 3,
      method: 'GET',
      path: 'traces/:trace_id',
      permission: 'tracking:read',
      reads: true,
      input: { trace_id: traceId() },
      handler: async (input, ctx) => ({ trace: { trace_info: sentTrace(await traces.get(ctx, input.trace_id)) } }),
    }),
  ];
}

function searching(traces: TraceService): ForeignRoute {
  return mlflowRoute({
    name: 'traces.search',
    major: 3,
    method: 'POST',
    path: 'traces/search',
    permission: 'tracking:read',
    reads: true,
    input: {
      locations: wire.list(location, TRACES_IN_REQUEST_MAX),
      filter: filter(),
      max_results: maxResults(100, 500),
      order_by: orderBy(),
      page_token: pageTokenField(),
    },
    async handler(input, ctx) {
      const page = await traces.search(ctx, {
        experiments: input.locations.map((one) => one.mlflow_experiment.experiment_id),
        filter: parseFilter(input.filter, TRACE_VOCABULARY),
        order: input.order_by.map((clause) => parseOrder(clause, TRACE_VOCABULARY)),
        limit: input.max_results,
        token: input.page_token || undefined,
      });
      return { traces: page.items.map(sentTrace), next_page_token: page.next };
    },
  });
}

/** What MLflow's clients ask for under both versions, whichever they are of themselves. */
function changing(traces: TraceService): ForeignRoute[] {
  return ([2, 3] as const).flatMap((major) => [
    mlflowRoute({
      name: 'traces.delete',
      major,
      method: 'POST',
      path: 'traces/delete-traces',
      permission: 'tracking:write',
      audit: 'trace.delete',
      input: {
        experiment_id: experimentId(),
        max_timestamp_millis: timestamp().optional(),
        max_traces: wire.int64({ min: 1, max: TRACES_DELETED_MAX }).optional(),
        request_ids: traceIds(TRACES_IN_REQUEST_MAX).default([]),
      },
      async handler(input, ctx) {
        const { max_timestamp_millis: before, request_ids: ids } = input;
        if ((before === undefined) === (ids.length === 0)) {
          throw invalidValue('request_ids', ids, 'exactly one of max_timestamp_millis and request_ids is given');
        }
        const max = input.max_traces ?? TRACES_DELETED_MAX;
        const which = ids.length > 0 ? { ids, max } : { before, max };
        return { traces_deleted: await traces.delete(ctx, input.experiment_id, which) };
      },
    }),
    mlflowRoute({
      name: 'traces.set-tag',
      major,
      method: 'PATCH',
      path: 'traces/:trace_id/tags',
      permission: 'tracking:write',
      audit: 'trace.set-tag',
      input: { trace_id: traceId(), key: tagKey(), value: tagValue().default('') },
      async handler(input, ctx) {
        await traces.setTag(ctx, input.trace_id, input);
        return {};
      },
    }),
    mlflowRoute({
      name: 'traces.delete-tag',
      major,
      method: 'DELETE',
      path: 'traces/:trace_id/tags',
      permission: 'tracking:write',
      audit: 'trace.delete-tag',
      input: { trace_id: traceId(), key: tagKey() },
      async handler(input, ctx) {
        await traces.deleteTag(ctx, input.trace_id, input.key);
        return {};
      },
    }),
  ]);
}
