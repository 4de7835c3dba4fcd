import type { Duration, ModelStatistics } from '../statistics.ts';

/** A count, and nanoseconds in all. */
function duration({ count, ms }: Duration): { readonly count: number; readonly ns: number } {
  return { count, ns: Math.round(ms * 1e6) };
}

const NONE: Duration = { count: 0, ms: 0 };

/** The statistics of one version in the protocol's form, the same over REST and gRPC. */
export function statisticsJson(statistics: ModelStatistics): object {
  const { name, version, lastInference, inferenceCount, executionCount, batches } = statistics;
  return {
    name,
    version,
    last_inference: lastInference,
    inference_count: inferenceCount,
    execution_count: executionCount,
    inference_stats: {
      success: duration(statistics.success),
      fail: duration(statistics.fail),
      queue: duration(statistics.queue),
      compute_input: duration(statistics.computeInput),
      compute_infer: duration(statistics.computeInfer),
      compute_output: duration(statistics.computeOutput),
      cache_hit: duration(NONE),
      cache_miss: duration(NONE),
    },
    response_stats: {},
    batch_stats: [...batches]
      .sort(([a], [b]) => a - b)
      .map(([batch_size, infer]) => ({
        batch_size,
        compute_input: duration(NONE),
        compute_infer: duration(infer),
        compute_output: duration(NONE),
      })),
    memory_usage: [],
  };
}
