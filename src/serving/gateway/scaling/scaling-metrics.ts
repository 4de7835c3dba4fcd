import type { Load, LoadSignals } from './load-signals.ts';

/** The horizon of the forecast that is exposed: what autoscalers that read metrics can act on in time. */
const HORIZON_MS = 600_000;

interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly of: (load: Load, signals: LoadSignals) => number | null;
}

const GAUGES: readonly Gauge[] = [
  { name: 'queue', help: 'Rows that wait for their model, mean of the last minute.', of: ({ queue }) => queue },
  {
    name: 'concurrency',
    help: 'Requests in work, mean of the last minute.',
    of: ({ concurrency }) => concurrency,
  },
  {
    name: 'utilization',
    help: 'Share of the last minute in which a model of the endpoint ran.',
    of: ({ utilization }) => utilization,
  },
  {
    name: 'rows_per_second',
    help: 'Rows answered a second, mean of the last minute.',
    of: ({ rowsPerSecond }) => rowsPerSecond,
  },
  {
    name: 'forecast_rows_per_second',
    help: 'The most rows a second that are forecast for the next ten minutes.',
    of: ({ name }, signals) => signals.forecastOf(name, HORIZON_MS),
  },
  { name: 'idle_seconds', help: 'Since a row was last answered.', of: ({ idleMs }) => idleMs / 1_000 },
  {
    name: 'cold_start_seconds',
    help: 'What its slowest model took to be loaded and warmed.',
    of: ({ coldStartMs }) => coldStartMs && coldStartMs / 1_000,
  },
];

/** The signals in Prometheus' exposition format. */
export function scalingMetrics(signals: LoadSignals): string {
  const loads = [...signals.names].flatMap((name) => signals.of(name) ?? []);
  return GAUGES.map(({ name, help, of }) => {
    const full = `kedge_scaling_${name}`;
    const lines = loads.flatMap((load) => {
      const value = of(load, signals);
      return value === null ? [] : `${full}{endpoint="${load.name.replace(/[\\"\n]/g, '_')}"} ${value}`;
    });
    return [`# HELP ${full} ${help}`, `# TYPE ${full} gauge`, ...lines, ''].join('\n');
  }).join('');
}
