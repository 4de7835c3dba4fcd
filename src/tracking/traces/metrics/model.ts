import { trackingErrors } from '../../errors.ts';
import { closedEntity, type Entity, type Vocabulary } from '../../search/index.ts';

export const METRIC_VIEWS = ['TRACES', 'SPANS', 'ASSESSMENTS'] as const;
export type MetricView = (typeof METRIC_VIEWS)[number];

export const AGGREGATION_TYPES = ['COUNT', 'SUM', 'AVG', 'PERCENTILE', 'MIN', 'MAX'] as const;
type AggregationType = (typeof AGGREGATION_TYPES)[number];

export interface Aggregation {
  readonly type: AggregationType;
  /** Of PERCENTILE, from 0 to 100. */
  readonly percentile?: number | undefined;
}

/** What is asked of traces: one figure of each, summed up over all or over groups of them. */
export interface MetricQuestion {
  readonly experiments: readonly string[];
  readonly view: MetricView;
  readonly metric: string;
  readonly aggregations: readonly Aggregation[];
  readonly dimensions: readonly string[];
  /** Each in the grammar of filters, over {@link METRIC_VOCABULARY}; all of them hold. */
  readonly filters: readonly string[];
  /** Groups by time as well, from multiples of so much since 1970. */
  readonly intervalSeconds?: number | undefined;
  /** Epoch milliseconds, both included. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly limit: number;
}

/** One group with its figures. */
export interface MetricPoint {
  readonly dimensions: Readonly<Record<string, string>>;
  /** By the name of the aggregation. */
  readonly values: Readonly<Record<string, number>>;
}

interface MetricRules {
  readonly aggregations: readonly AggregationType[];
  readonly dimensions: readonly string[];
}

const SPREAD: readonly AggregationType[] = ['AVG', 'MIN', 'MAX', 'PERCENTILE'];
const SUMMED: readonly AggregationType[] = ['SUM', ...SPREAD];
const MODEL = ['span_model_name', 'span_model_provider'];
const tokens: MetricRules = { aggregations: SUMMED, dimensions: ['trace_name'] };
const cost: MetricRules = { aggregations: SUMMED, dimensions: MODEL };

/** What MLflow 3.17 knows to ask for. */
const METRICS: Readonly<Record<MetricView, Readonly<Record<string, MetricRules>>>> = {
  TRACES: {
    trace_count: { aggregations: ['COUNT'], dimensions: ['trace_name', 'trace_status'] },
    session_count: { aggregations: ['COUNT'], dimensions: [] },
    latency: { aggregations: SPREAD, dimensions: ['trace_name'] },
    input_tokens: tokens,
    output_tokens: tokens,
    total_tokens: tokens,
    cache_read_input_tokens: tokens,
    cache_creation_input_tokens: tokens,
  },
  SPANS: {
    span_count: { aggregations: ['COUNT'], dimensions: ['span_name', 'span_type', 'span_status', ...MODEL] },
    latency: { aggregations: SPREAD, dimensions: ['span_name', 'span_status'] },
    input_cost: cost,
    output_cost: cost,
    total_cost: cost,
  },
  ASSESSMENTS: {
    assessment_count: { aggregations: ['COUNT'], dimensions: ['assessment_name', 'assessment_value'] },
    assessment_value: { aggregations: SPREAD, dimensions: ['assessment_name'] },
  },
};

/** Throws unless the figure is one of its view, and is summed up and grouped as it can be, in MLflow's words. */
export function requireAnswerable({ view, metric, ...asked }: MetricQuestion): void {
  const metrics = METRICS[view];
  const rules = Object.hasOwn(metrics, metric) ? metrics[metric] : undefined;
  if (!rules) {
    throw trackingErrors.invalid(`metric_name must be one of ${listed(Object.keys(metrics))}, got '${metric}'`);
  }
  if (asked.aggregations.length === 0) {
    throw trackingErrors.invalid(`aggregations must have at least one of ${listed(rules.aggregations)}`);
  }
  const types = asked.aggregations.map(({ type }) => type).filter((type) => !rules.aggregations.includes(type));
  if (types.length > 0) {
    throw trackingErrors.invalid(
      `Found invalid aggregation_type(s): ${listed(types)}. Supported aggregation types: ${listed(rules.aggregations)}`,
    );
  }
  const dimensions = asked.dimensions.filter((dimension) => !rules.dimensions.includes(dimension));
  if (dimensions.length > 0) {
    throw trackingErrors.invalid(
      `Found invalid dimension(s): ${listed(dimensions)}. Supported dimensions: ${listed(rules.dimensions)}`,
    );
  }
  if (asked.intervalSeconds !== undefined && (asked.from === undefined || asked.to === undefined)) {
    throw trackingErrors.invalid('start_time_ms and end_time_ms are required if time_interval_seconds is set');
  }
}

function listed(names: readonly string[]): string {
  return `[${[...new Set(names)].map((name) => `'${name}'`).join(', ')}]`;
}

const equal = { type: 'text', operators: ['='], orders: false } as const;

/** `trace.status`, `trace.tag.<key>` and `trace.metadata.<key>`. */
const trace: Entity = {
  name: 'trace',
  keys: ['status', 'tag.<key>', 'metadata.<key>'],
  rules(key) {
    const isKnown = key === 'status' || /^(?:tag|metadata)\../s.test(key);
    return isKnown ? { key, ...equal } : undefined;
  },
};

function onlyEqual(entity: Entity): Entity {
  return {
    ...entity,
    rules(asked) {
      const rules = entity.rules(asked);
      return rules && { ...rules, ...equal };
    },
  };
}

/** What the traces, spans and assessments that are counted in are chosen by. */
export const METRIC_VOCABULARY: Vocabulary = {
  bare: 'trace',
  entities: {
    trace,
    span: onlyEqual(closedEntity('span', { name: 'text', status: 'text', type: 'text' })),
    assessment: onlyEqual(closedEntity('assessment', { name: 'text', type: 'text' })),
  },
};

/** How an aggregation is called among the values of an answer: `AVG`, `P99.5`, `P50.0`. */
export function aggregationName({ type, percentile = 0 }: Aggregation): string {
  if (type !== 'PERCENTILE') return type;
  return Number.isInteger(percentile) ? `P${percentile}.0` : `P${percentile}`;
}
