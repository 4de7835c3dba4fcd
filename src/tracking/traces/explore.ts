import type { Page } from '#platform/contract';
import type { Context } from '#platform/db';
import type { ArtifactService } from '../artifacts/index.ts';
import { trackingErrors } from '../errors.ts';
import { parseFilter, parseOrder } from '../search/index.ts';
import type { TrackingDeps } from '../services/deps.ts';
import { requireExperiment } from '../services/require.ts';
import { spansInFile } from './file-spans.ts';
import type { Trace, TraceWithSpans } from './model.ts';
import { requireTrace } from './require.ts';
import type { TraceService } from './service.ts';
import { spansOf } from './store/spans.ts';
import { TRACE_VOCABULARY } from './vocabulary.ts';

/** What people look at when they look into traces. */
export class TraceExploreService {
  readonly #deps: TrackingDeps;
  readonly #traces: TraceService;
  readonly #artifacts: ArtifactService;

  constructor(deps: TrackingDeps, services: { readonly traces: TraceService; readonly artifacts: ArtifactService }) {
    this.#deps = deps;
    this.#traces = services.traces;
    this.#artifacts = services.artifacts;
  }

  /** Errors: `search/invalid-filter`, `search/invalid-order` and `search/invalid-page-token`. */
  async find(
    context: Context,
    experiment: string,
    question: {
      readonly filter: string;
      readonly order: string;
      readonly limit: number;
      readonly after?: string | undefined;
    },
  ): Promise<Page<Trace>> {
    await requireExperiment(this.#deps.db.reader, context, { id: experiment, level: 'READ' });
    return this.#traces.search(context, {
      experiments: [experiment],
      filter: parseFilter(question.filter, TRACE_VOCABULARY),
      order: question.order === '' ? [] : [parseOrder(question.order, TRACE_VOCABULARY)],
      limit: question.limit,
      token: question.after,
    });
  }

  async count(context: Context, experiment: string, filter: string): Promise<number> {
    await requireExperiment(this.#deps.db.reader, context, { id: experiment, level: 'READ' });
    return this.#traces.count(context, { experiments: [experiment], filter: parseFilter(filter, TRACE_VOCABULARY) });
  }

  /** A trace with its spans, wherever its client keeps them. */
  async get(context: Context, id: string): Promise<TraceWithSpans> {
    const { reader } = this.#deps.db;
    const { key } = await requireTrace(reader, context, { id, level: 'READ' });
    const trace = await this.#traces.get(context, id);
    if (trace.spans > 0) return { ...trace, content: (await spansOf(reader, [key])).get(key) ?? [] };
    return { ...trace, content: await spansInFile({ artifacts: this.#artifacts, blobs: this.#deps.blobs }, trace) };
  }

  async span(context: Context, id: string, span: string) {
    const trace = await this.get(context, id);
    const found = trace.content.find(({ spanId }) => spanId === span);
    if (!found) throw trackingErrors['span-not-found'](`the trace '${id}' has no span '${span}'`);
    return { trace, span: found };
  }
}
