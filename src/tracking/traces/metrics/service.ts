import type { Context } from '#platform/db';
import { trackingErrors } from '../../errors.ts';
import { type Filter, parseFilter } from '../../search/index.ts';
import type { TrackingDeps } from '../../services/deps.ts';
import { visibleExperiments } from '../../services/require.ts';
import { countJointly } from '../store/search.ts';
import { TRACE_VOCABULARY } from '../vocabulary.ts';
import { type Correlation, correlationOf } from './correlation.ts';
import { METRIC_VOCABULARY, type MetricPoint, type MetricQuestion, requireAnswerable } from './model.ts';
import { queryMetrics } from './store.ts';

/** What traces tell taken together. */
export class TraceMetricService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  /** Errors: `tracking/invalid` for what is not measured so, and `search/invalid-filter`. */
  async query(context: Context, question: MetricQuestion): Promise<MetricPoint[]> {
    requireAnswerable(question);
    const filter = filterOf(question);
    const { reader, dialect } = this.#deps.db;
    const experiments = await visibleExperiments(reader, context, question.experiments);
    if (experiments.length === 0) return [];
    return queryMetrics(reader, dialect, { ...question, experiments, filter });
  }

  /** How much more often than by chance traces that meet one filter meet the other. */
  async correlate(
    context: Context,
    asked: {
      readonly experiments: readonly string[];
      readonly first: string;
      readonly second: string;
      /** Only traces that meet this are looked at. */
      readonly base: string;
    },
  ): Promise<Correlation> {
    const { reader, dialect } = this.#deps.db;
    const [first, second, base] = [asked.first, asked.second, asked.base].map((text) =>
      parseFilter(text, TRACE_VOCABULARY),
    );
    const experiments = await visibleExperiments(reader, context, asked.experiments);
    if (experiments.length === 0) return correlationOf({ total: 0, first: 0, second: 0, both: 0 });
    return correlationOf(await countJointly(reader, dialect, { experiments, first, second, base }));
  }
}

function filterOf({ filters, view }: MetricQuestion): Filter | undefined {
  const parsed = filters.flatMap((text) => parseFilter(text, METRIC_VOCABULARY) ?? []);
  for (const [entity, of] of [
    ['span', 'SPANS'],
    ['assessment', 'ASSESSMENTS'],
  ] as const) {
    if (view !== of && parsed.some((filter) => isAbout(filter, entity))) {
      throw trackingErrors.invalid(`Filtering by ${entity} is only supported for ${of} view type, got ${view}`);
    }
  }
  const [only] = parsed;
  return parsed.length > 1 ? { kind: 'and', of: parsed } : only;
}

function isAbout(filter: Filter, entity: string): boolean {
  if (filter.kind === 'compare') return filter.field.entity === entity;
  return filter.kind === 'not' ? isAbout(filter.of, entity) : filter.of.some((part) => isAbout(part, entity));
}
