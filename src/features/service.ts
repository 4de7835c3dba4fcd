import { type Datasets, datasetCommitted, type Segment } from '#datasets';
import type { Columnar } from '#platform/columnar';
import type { DomainDeps } from '#platform/domain';
import type { PlatformEvent } from '#platform/events';
import type { BlobStore } from '#ports/blob-store';
import type { KeyValue } from '#ports/key-value';
import type { FeatureViewSpec } from './contract.ts';
import { featureErrors } from './errors.ts';
import { FeatureReader, materialize } from './online.ts';
import { type FeaturePlan, type PlannedView, plannedView } from './plan.ts';
import { type AnsweredRow, type RecomputedFeatures, recomputeFeatures } from './recompute.ts';

export interface FeaturesDeps extends DomainDeps {
  readonly datasets: Pick<Datasets, 'snapshot'>;
  readonly blobs: BlobStore;
  readonly columnar: Columnar;
  /** The online store. This process is its only writer. */
  readonly keyValue: KeyValue;
}

export class FeatureService {
  readonly #deps: FeaturesDeps;
  readonly reader: FeatureReader;

  constructor(deps: FeaturesDeps) {
    this.#deps = deps;
    this.reader = new FeatureReader(deps.keyValue);
  }

  /** What an endpoint that uses these views has to read for a request. Errors: `resources/not-found`. */
  async plan(views: readonly string[]): Promise<FeaturePlan> {
    return { views: await Promise.all(views.map((name) => this.#view(name))) };
  }

  async readOnline(name: string, entity: readonly string[], at: number): Promise<Record<string, number | null>> {
    const view = await this.#view(name);
    const entities = Object.fromEntries(view.keys.map((key, i) => [key, entity[i] ?? '']));
    const values = await this.reader.read({ views: [view] }, entities, at);
    return Object.fromEntries(
      view.features.map(({ name: feature }, i) => {
        const value = values[i] as number;
        return [feature, Number.isNaN(value) ? null : value];
      }),
    );
  }

  /** What the named views should have answered for past requests. The views must be over one dataset. */
  async recompute(views: readonly string[], rows: readonly AnsweredRow[]): Promise<RecomputedFeatures> {
    const specs = await Promise.all(views.map((name) => this.#deps.resources.get('feature-view', name)));
    const datasets = [...new Set(specs.map(({ spec }) => (spec as FeatureViewSpec).dataset))];
    const [dataset, ...others] = datasets;
    if (dataset === undefined || others.length > 0) {
      throw featureErrors['mixed-datasets'](`views of one dataset are audited together, found ${datasets.length}`);
    }
    const { segments } = await this.#deps.datasets.snapshot(dataset);
    const located = await Promise.all(
      segments.map(async (segment) => ({ ...segment, path: await this.#deps.blobs.localPath(segment.digest) })),
    );
    return recomputeFeatures(this.#deps.columnar, await this.plan(views), { segments: located, rows });
  }

  /** Brings a new segment into the online state of every view over its dataset. */
  async onCommitted(event: PlatformEvent): Promise<void> {
    const { dataset, segment } = datasetCommitted.read(event);
    const { segments } = await this.#deps.datasets.snapshot(dataset);
    const newest = segments.reduce((latest, each) => Math.max(latest, each.maxKnownAt), 0);
    for (const { name, spec } of await this.#onlineViewsOf(dataset)) {
      const view = plannedView(name, spec);
      // While history is loaded faster than it is taken in, most of it is out of reach before its turn comes.
      const knownFrom = newest - view.horizonMs;
      if (segment.maxKnownAt >= knownFrom) await this.#materialize(view, segment, knownFrom);
    }
  }

  /** Gives a view that was declared or changed the history that its windows can still reach. */
  async onApplied(event: PlatformEvent): Promise<void> {
    const [kind, name] = event.subject.split('/') as [string, string];
    if (kind !== 'feature-view') return;
    const resource = await this.#deps.resources.find(kind, name);
    const spec = resource?.spec as FeatureViewSpec | undefined;
    if (!spec?.online) return;
    const view = plannedView(name, spec);
    const { segments } = await this.#deps.datasets.snapshot(spec.dataset);
    const newest = Math.max(0, ...segments.map((segment) => segment.maxKnownAt));
    for (const segment of segments) {
      if (segment.maxKnownAt >= newest - view.horizonMs)
        await this.#materialize(view, segment, newest - view.horizonMs);
    }
  }

  async #materialize(view: PlannedView, segment: Segment, knownFrom: number): Promise<void> {
    const path = await this.#deps.blobs.localPath(segment.digest);
    await materialize(this.#deps, view, { path, knownFrom });
  }

  async #view(name: string): Promise<PlannedView> {
    const { spec } = await this.#deps.resources.get('feature-view', name);
    return plannedView(name, spec as FeatureViewSpec);
  }

  async #onlineViewsOf(dataset: string): Promise<{ name: string; spec: FeatureViewSpec }[]> {
    const views = await this.#deps.resources.list('feature-view');
    return views
      .map(({ name, spec }) => ({ name, spec: spec as FeatureViewSpec }))
      .filter(({ spec }) => spec.online && spec.dataset === dataset);
  }
}
