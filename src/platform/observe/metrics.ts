import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from 'prom-client';

/** The figures of one process, to be summed with those of others. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

export interface Metrics {
  /** A counter by its Prometheus name. */
  counter<Label extends string>(name: string, help: string, labels: readonly Label[]): Counter<Label>;
  /** A histogram of seconds, with the buckets of OpenTelemetry's HTTP convention. */
  seconds<Label extends string>(name: string, help: string, labels: readonly Label[]): Histogram<Label>;
  /** Text in Prometheus' exposition format. */
  expose(): Promise<string>;
  /** What this process has counted, on top of what a process before it had. */
  snapshot(before?: MetricsSnapshot): Promise<MetricsSnapshot>;
  /** The sums over processes, as text. */
  exposeSum(snapshots: readonly MetricsSnapshot[]): Promise<string>;
  readonly contentType: string;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/**
 * How often the delay of the event loop is sampled. Each sample wakes the process, and the library's default of 10 ms
 * is most of what an idle process would cost.
 */
const EVENT_LOOP_SAMPLE_MS = 1_000;

export function createMetrics(role: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ role });
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS });
  return {
    counter: (name, help, labelNames) =>
      new Counter({ name, help, labelNames: [...labelNames], registers: [registry] }),
    seconds: (name, help, labelNames) =>
      new Histogram({ name, help, labelNames: [...labelNames], buckets: SECONDS, registers: [registry] }),
    expose: () => registry.metrics(),
    async snapshot(before = []) {
      const now = await registry.getMetricsAsJSON();
      // Of a process that is gone only what it counted goes on: its memory is nobody's any more.
      const counted = before.filter(({ type }) => GOES_ON.has(String(type)));
      return counted.length === 0 ? now : sumOf([[...counted], now]).getMetricsAsJSON();
    },
    exposeSum: (snapshots) => sumOf(snapshots).metrics(),
    contentType: registry.contentType,
  };
}

const GOES_ON: ReadonlySet<string> = new Set(['counter', 'histogram']);

function sumOf(snapshots: readonly MetricsSnapshot[]): Registry {
  return AggregatorRegistry.aggregate(snapshots.map((snapshot) => [...snapshot]));
}
