import type { Duration, ModelStatistics } from './statistics.ts';

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly of: (statistics: ModelStatistics) => number;
}

const count = (duration: Duration): number => duration.count;
const microseconds = (duration: Duration): number => Math.round(duration.ms * 1_000);

/** The counters of Triton's that have a meaning here, under its names, so that its dashboards and alerts find them. */
const METRICS: readonly Metric[] = [
  {
    name: 'nv_inference_request_success',
    help: 'Requests that were answered.',
    of: ({ success }) => count(success),
  },
  { name: 'nv_inference_count', help: 'Rows that were answered.', of: ({ inferenceCount }) => inferenceCount },
  { name: 'nv_inference_exec_count', help: 'Runs of the model.', of: ({ executionCount }) => executionCount },
  {
    name: 'nv_inference_request_duration_us',
    help: 'Microseconds of requests that were answered, from their arrival on.',
    of: ({ success }) => microseconds(success),
  },
  {
    name: 'nv_inference_queue_duration_us',
    help: 'Microseconds until a run began.',
    of: ({ queue }) => microseconds(queue),
  },
  {
    name: 'nv_inference_compute_infer_duration_us',
    help: 'Microseconds of runs.',
    of: ({ computeInfer }) => microseconds(computeInfer),
  },
];

const REASONS: readonly { readonly reason: string; readonly of: (statistics: ModelStatistics) => number }[] = [
  { reason: 'REJECTED', of: ({ rejected }) => count(rejected) },
  { reason: 'CANCELED', of: ({ cancelled }) => count(cancelled) },
  { reason: 'OTHER', of: ({ fail, rejected, cancelled }) => count(fail) - count(rejected) - count(cancelled) },
];

function pending(models: readonly ModelStatistics[]): string {
  const name = 'nv_inference_pending_request_count';
  const lines = models.map(
    (each) => `${name}{model="${escaped(each.name)}",version="${each.version}"} ${each.pending}`,
  );
  const help = 'Requests that wait for a run, where it is declared how they wait.';
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines, ''].join('\n');
}

/** Requests that were not answered, told apart as Triton does. */
function failures(models: readonly ModelStatistics[]): string {
  const name = 'nv_inference_request_failure';
  const lines = models.flatMap((each) =>
    REASONS.map(({ reason, of }) => {
      const labels = `model="${escaped(each.name)}",version="${each.version}",reason="${reason}"`;
      return `${name}{${labels}} ${of(each)}`;
    }),
  );
  const help = 'Requests that were refused or failed: by the queue, by a client that left, or for other reasons.';
  return [`# HELP ${name} ${help}`, `# TYPE ${name} counter`, ...lines, ''].join('\n');
}

/** The statistics in Prometheus' exposition format. */
export function tritonMetrics(statistics: Iterable<ModelStatistics>): string {
  const models = [...statistics];
  const counters = METRICS.map(({ name, help, of }) => {
    const lines = models.map((each) => `${name}{model="${escaped(each.name)}",version="${each.version}"} ${of(each)}`);
    return [`# HELP ${name} ${help}`, `# TYPE ${name} counter`, ...lines, ''].join('\n');
  });
  return counters.join('') + pending(models) + failures(models);
}

function escaped(text: string): string {
  return text.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
