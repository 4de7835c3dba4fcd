import { z } from 'zod';
import type { ForeignRoute } from '#platform/http';
import { AGGREGATION_TYPES, METRIC_VIEWS } from '../../../traces/metrics/model.ts';
import type { TraceMetricService } from '../../../traces/metrics/service.ts';
import { experimentId, filter, maxResults, pageTokenField } from '../fields.ts';
import { invalidValue, mlflowRoute } from '../route.ts';
import { sentDouble, wire } from '../wire.ts';

const EXPERIMENTS_MAX = 1_000;
const POINTS_MAX = 10_000;
const YEAR_SECONDS = 31_536_000;

const experiments = () => wire.list(experimentId(), EXPERIMENTS_MAX);
const aggregation = wire.message({
  aggregation_type: wire.oneOf(AGGREGATION_TYPES),
  percentile_value: wire.double().pipe(z.number().min(0, 'expected 0 to 100').max(100, 'expected 0 to 100')).optional(),
});

/** What traces tell taken together, as MLflow's pages draw it. */
export function traceMetricRoutes(service: TraceMetricService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'traces.metrics',
      major: 3,
      method: 'POST',
      path: 'traces/metrics',
      permission: 'tracking:read',
      reads: true,
      input: {
        experiment_ids: experiments(),
        view_type: wire.oneOf(METRIC_VIEWS),
        metric_name: wire.required(250),
        aggregations: wire.list(aggregation, 20),
        dimensions: wire.list(wire.string(250), 5).default([]),
        filters: wire.list(wire.string(10_000), 20).default([]),
        time_interval_seconds: wire.int64({ min: 1, max: YEAR_SECONDS }).optional(),
        start_time_ms: wire.int64().optional(),
        end_time_ms: wire.int64().optional(),
        max_results: maxResults(1_000, POINTS_MAX),
        page_token: pageTokenField(),
      },
      async handler(input, ctx) {
        const points = await service.query(ctx, {
          experiments: input.experiment_ids,
          view: input.view_type,
          metric: input.metric_name,
          aggregations: input.aggregations.map(aggregationOf),
          dimensions: input.dimensions,
          filters: input.filters,
          intervalSeconds: input.time_interval_seconds,
          from: input.start_time_ms,
          to: input.end_time_ms,
          limit: input.max_results,
        });
        const data_points = points.map((point) => ({ metric_name: input.metric_name, ...point }));
        return { data_points };
      },
    }),
    correlating(service),
  ];
}

function correlating(service: TraceMetricService): ForeignRoute {
  return mlflowRoute({
    name: 'traces.correlation',
    major: 3,
    method: 'POST',
    path: 'traces/calculate-filter-correlation',
    permission: 'tracking:read',
    reads: true,
    input: {
      experiment_ids: experiments(),
      filter_string1: filter().pipe(z.string().min(1, 'expected a filter')),
      filter_string2: filter().pipe(z.string().min(1, 'expected a filter')),
      base_filter: filter(),
    },
    async handler(input, ctx) {
      const found = await service.correlate(ctx, {
        experiments: input.experiment_ids,
        first: input.filter_string1,
        second: input.filter_string2,
        base: input.base_filter,
      });
      return {
        npmi: sentDouble(found.npmi),
        npmi_smoothed: sentDouble(found.smoothed),
        filter1_count: found.first,
        filter2_count: found.second,
        joint_count: found.both,
        total_count: found.total,
      };
    },
  });
}

function aggregationOf(
  { aggregation_type: type, percentile_value: percentile }: z.output<typeof aggregation>,
  i: number,
) {
  if ((type === 'PERCENTILE') === (percentile !== undefined)) return { type, percentile };
  const why = percentile === undefined ? 'PERCENTILE needs it' : 'only PERCENTILE has it';
  throw invalidValue(`aggregations[${i}].percentile_value`, percentile ?? null, why);
}
