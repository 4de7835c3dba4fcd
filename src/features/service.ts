import { type Datasets, datasetCommitted, type Segment } from '#datasets';
import type { Columnar } from '#platform/columnar';
import type { DomainDeps } from '#platform/domain';
import type { PlatformEvent } from '#platform/events';
import type { BlobStore } from '#ports/blob-store';
import type { KeyValue } from '#ports/key-value';
import type { FeatureViewSpec } from './contract.ts';
import { featureErrors } from './errors.ts';
import { materialize } from './materialize.ts';
import { FeatureReader } from './online.ts';
import { definitionOf, floorKey, readFloor, removeStates, writeFloor } from './online-state.ts';
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
    for (const { name, spec } of await this.#onlineViewsOf(dataset)) {
      const view = plannedView(name, spec);
      // While history is loaded faster than it is taken in, most of it is out of reach before its turn comes.
      const from = reachOf(view, segments);
      await this.#take(view, [segment], from);
      if (isCut(segment, from)) await this.#raiseFloor(view, from);
    }
  }

  /**
   * Gives a view that was declared, or changed in a way that its states depend on, the history that its windows can
   * still reach. Until that is done reads of the view fail, because they would see a part of their windows.
   */
  async onApplied(event: PlatformEvent): Promise<void> {
    const name = viewOf(event);
    if (name === undefined) return;
    const spec = (await this.#deps.resources.find('feature-view', name))?.spec as FeatureViewSpec | undefined;
    if (!spec) return;
    const { keyValue } = this.#deps;
    const view = plannedView(name, spec);
    const definition = definitionOf(view, spec.dataset);
    if (spec.online && (await readFloor(keyValue, view)).definition === definition) return;
    await writeFloor(keyValue, view, { floor: Number.POSITIVE_INFINITY, definition: '' });
    await removeStates(keyValue, view);
    if (!spec.online) return;
    const { segments } = await this.#deps.datasets.snapshot(spec.dataset);
    const from = reachOf(view, segments);
    await this.#take(view, segments, from);
    const floor = segments.some((segment) => isCut(segment, from)) ? from : Number.NEGATIVE_INFINITY;
    await writeFloor(keyValue, view, { floor, definition });
  }

  async onDeleted(event: PlatformEvent): Promise<void> {
    const name = viewOf(event);
    if (name === undefined) return;
    await removeStates(this.#deps.keyValue, { name });
    await this.#deps.keyValue.deleteMany([floorKey({ name })]);
  }

  async #take(view: PlannedView, segments: readonly Segment[], from: number): Promise<void> {
    for (const segment of segments) {
      if (Math.max(segment.maxKnownAt, segment.maxAt) < from) continue;
      await materialize(this.#deps, view, { path: await this.#deps.blobs.localPath(segment.digest), from });
    }
  }

  async #raiseFloor(view: PlannedView, from: number): Promise<void> {
    const { floor, definition } = await readFloor(this.#deps.keyValue, view);
    if (from > floor) await writeFloor(this.#deps.keyValue, view, { floor: from, definition });
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

/** The earliest time that a read within the view's lateness can look back to. */
function reachOf(view: PlannedView, segments: readonly Segment[]): number {
  return segments.reduce((latest, segment) => Math.max(latest, segment.maxKnownAt), 0) - view.horizonMs;
}

/** Whether a segment may have rows whose both times lie before `from`. */
function isCut(segment: Segment, from: number): boolean {
  return segment.minKnownAt < from && segment.minAt < from;
}

function viewOf(event: PlatformEvent): string | undefined {
  const [kind, name] = event.subject.split('/');
  return kind === 'feature-view' ? name : undefined;
}
