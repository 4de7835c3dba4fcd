import { logLoss } from '#math/metric/binary';
import { countsOf } from '#math/summary/profile';
import { byWeek, lossDifference, scorePairs } from '../comparison.ts';
import type {
  DriftCell,
  FigureView,
  PolicyValueView,
  PredictionRecord,
  PredictionView,
  SignalView,
  SummaryView,
} from '../contract.ts';
import { namesOf, type Signature } from '../drift.ts';
import { monitoringErrors } from '../errors.ts';
import type { TimeRange } from '../model.ts';
import { type Drawn, policyValues } from '../policy-value.ts';
import { ALL_REVISIONS, isProbability } from '../quality.ts';
import { type FigureFilter, listDrift, listFigures, newestWindow } from '../store/figures.ts';
import { findProgress, watermarkOf } from '../store/progress.ts';
import {
  countPredictions,
  coverageByDay,
  type DrawnRow,
  drawnRows,
  findPrediction,
  newestOf,
  scoredRows,
  totalsOf,
} from '../store/records.ts';
import { latestSignal, listBlocks, listSignals } from '../store/signals.ts';
import { type Monitor, type MonitoringDeps, monitorsOf } from './deps.ts';

const DRIFT_FIGURES_MAX = 100_000;
const COMPARED_MAX = 200_000;
const NEWEST_MAX = 5_000;

/** What people and programs read of monitoring. */
export class Readings {
  readonly #deps: MonitoringDeps;

  constructor(deps: MonitoringDeps) {
    this.#deps = deps;
  }

  async figures({
    versions,
    ...filter
  }: FigureFilter & { readonly versions: 'latest' | 'all' }): Promise<FigureView[]> {
    const all = await listFigures(this.#deps.db.reader, filter);
    if (versions === 'all') return all;
    // Versions of one figure follow each other, so the last of them takes the place of the others.
    return [...new Map(all.map((f) => [`${f.monitor}\n${f.window}\n${f.metric}\n${f.revision}`, f])).values()];
  }

  /** PSI by feature and window. Errors: `monitoring/no-monitor`, `monitoring/range-too-large`. */
  async drift(endpoint: string, { monitor: name, ...range }: TimeRange & { readonly monitor?: string | undefined }) {
    const monitor = await this.#monitor(endpoint, name);
    const limit = DRIFT_FIGURES_MAX + 1;
    const rows = await listDrift(this.#deps.db.reader, { ...range, monitor: monitor.name, limit });
    if (rows.length === limit) {
      throw monitoringErrors['range-too-large'](`the range holds over ${DRIFT_FIGURES_MAX} drift figures: narrow it`);
    }
    const latest = new Map(rows.map(({ counts: _counts, ...cell }) => [`${cell.window}\n${cell.feature}`, cell]));
    const cells: DriftCell[] = [...latest.values()];
    const features = [...Map.groupBy(cells, (cell) => cell.feature)].map(([feature, of]) => ({ feature, cells: of }));
    return { monitor: monitor.name, windows: [...new Set(cells.map((cell) => cell.window))], features };
  }

  /** Reference and window counts of one feature. Errors: `monitoring/no-monitor`, `monitoring/no-figure`. */
  async histograms(
    endpoint: string,
    query: { readonly monitor?: string | undefined; readonly feature: string; readonly window: number },
  ) {
    const { name } = await this.#monitor(endpoint, query.monitor);
    const { feature, window } = query;
    const range = { from: window, to: window + 1, limit: 1_000 };
    const found = (await listDrift(this.#deps.db.reader, { ...range, monitor: name, feature })).at(-1);
    const reference = found && (await this.#deps.profileOf(found.revision))?.profile.columns[feature];
    if (!found || !reference) {
      throw monitoringErrors['no-figure'](`monitor '${name}' has no drift of '${feature}' in the window at ${window}`);
    }
    const { counts, ...cell } = found;
    const edges = reference.kind === 'numeric' ? [...reference.edges] : [];
    const bins = reference.kind === 'numeric' ? numericBins(edges) : [...reference.categories, 'other'];
    const histogram = { edges, bins: [...bins, 'missing'], reference: [...countsOf(reference)], current: [...counts] };
    return { ...cell, monitor: name, kind: reference.kind, ...histogram };
  }

  signals(filter: Parameters<typeof listSignals>[1]): Promise<SignalView[]> {
    return listSignals(this.#deps.db.reader, filter);
  }

  /** Errors: `monitoring/prediction-not-found`. */
  async prediction(id: string): Promise<PredictionView> {
    const found = await findPrediction(this.#deps.db.reader, id);
    if (!found) throw monitoringErrors['prediction-not-found'](`there is no recorded prediction '${id}'`);
    const { numeric, categories, ...record } = found.record;
    const inputs = inputsByName(found.record, await this.#deps.signatureOf(record.revision));
    const value = found.label?.value;
    const loss =
      value === undefined
        ? null
        : { answered: lossOf(record.score, value), shadow: lossOf(record.shadow?.score ?? null, value) };
    return { ...record, inputs, label: found.label, loss };
  }

  /** What the newest predictions that a revision answered got as inputs, by name, and their scores; newest first. */
  async newestRequests(endpoint: string, revision: string, limit = NEWEST_MAX): Promise<NewestRequest[]> {
    const records = await newestOf(this.#deps.db.reader, { endpoint, revision, limit: Math.min(limit, NEWEST_MAX) });
    const signature = await this.#deps.signatureOf(revision);
    return records.flatMap((record): NewestRequest[] => {
      const { id, at, score } = record;
      if (!record.tensors) return [{ id, at, revision, inputs: inputsByName(record, signature), expected: score }];
      const tensors = wholeTensors(record.tensors);
      return tensors ? [{ id, at, revision, inputs: {}, expected: null, tensors }] : [];
    });
  }

  async labelCoverage(endpoint: string, range: TimeRange) {
    const days = await coverageByDay(this.#deps.db.reader, endpoint, range);
    return days.map((day) => ({ ...day, share: day.labelled / day.requests }));
  }

  async blocks(endpoint: string, rollout: string) {
    const rows = await listBlocks(this.#deps.db.reader, endpoint, rollout);
    const last = rows.at(-1);
    return { current: last?.current ?? null, candidate: last?.candidate ?? null, items: rows.map((row) => row.block) };
  }

  /** Errors: `monitoring/range-too-large`. */
  async compareScores(endpoint: string, { a, b, ...range }: TimeRange & { readonly a: string; readonly b: string }) {
    const { reader } = this.#deps.db;
    const count = await countPredictions(reader, endpoint, range);
    if (count > COMPARED_MAX) {
      throw monitoringErrors['range-too-large'](`the range holds ${count} predictions, at most ${COMPARED_MAX} fit`);
    }
    const pairs = scorePairs(await scoredRows(reader, endpoint, range), a, b);
    return { a, b, weeks: byWeek(pairs), requests: pairs.length, difference: lossDifference(pairs) };
  }

  async policyValue(rollout: string): Promise<PolicyValueView> {
    const rows = await drawnRows(this.#deps.db.reader, rollout, COMPARED_MAX + 1);
    if (rows.length > COMPARED_MAX) {
      throw monitoringErrors['range-too-large'](`the rollout has over ${COMPARED_MAX} labelled requests`);
    }
    return policyValues(drawnOf(rows));
  }

  async summary(endpoint: string): Promise<SummaryView> {
    const { reader } = this.#deps.db;
    const monitors = await monitorsOf(this.#deps, endpoint);
    return {
      endpoint,
      watermark: (await watermarkOf(reader, endpoint)) ?? null,
      predictions: await totalsOf(reader, endpoint),
      monitors: await Promise.all(monitors.map((monitor) => this.#monitorSummary(monitor))),
    };
  }

  async #monitorSummary({ name, spec }: Monitor): Promise<SummaryView['monitors'][number]> {
    const { reader } = this.#deps.db;
    const figures: FigureView[] = [];
    for (const metric of spec.metrics) {
      const from = await newestWindow(reader, name, metric);
      if (from === undefined) continue;
      const filter = { endpoint: spec.endpoint, monitor: name, metric, revision: ALL_REVISIONS };
      figures.push(...(await this.figures({ ...filter, from, to: from + 1, limit: 1_000, versions: 'latest' })));
    }
    const latest = await Promise.all(spec.alerts.map((alert) => latestSignal(reader, name, alert.name)));
    const progress = await findProgress(reader, name);
    return {
      monitor: name,
      window: spec.window,
      clock: spec.clock,
      inputsUntil: progress?.inputsUntil ?? 0,
      qualityUntil: progress?.qualityUntil ?? 0,
      figures,
      firing: latest.filter((signal) => signal !== undefined).filter((signal) => signal.state === 'firing'),
    };
  }

  /** The named monitor of an endpoint; without a name the first that measures drift. */
  async #monitor(endpoint: string, name: string | undefined): Promise<Monitor> {
    const monitors = await monitorsOf(this.#deps, endpoint);
    const found = monitors.find((monitor) => (name === undefined ? monitor.spec.drift : monitor.name === name));
    if (found) return found;
    const what = name === undefined ? 'no monitor that measures drift' : `no monitor '${name}'`;
    throw monitoringErrors['no-monitor'](`endpoint '${endpoint}' has ${what}`);
  }
}

type Tensors = NonNullable<PredictionRecord['tensors']>;
type Whole = Pick<Tensors['inputs'][number], 'name' | 'datatype' | 'shape'> & {
  readonly data: NonNullable<Tensors['inputs'][number]['data']>;
};

interface NewestRequest {
  readonly id: string;
  readonly at: number;
  readonly revision: string;
  readonly inputs: Readonly<Record<string, number | string | null>>;
  /** Null for a model of tensors, which are left out where not all of them were kept whole. */
  readonly expected: number | null;
  readonly tensors?: { readonly inputs: readonly Whole[]; readonly outputs: readonly Whole[] };
}

/** What was given and answered, where all of it was small enough to be kept. */
function wholeTensors({ inputs, outputs }: Tensors) {
  const whole = (tensors: Tensors['inputs']) =>
    tensors.flatMap(({ name, datatype, shape, data }) => (data ? [{ name, datatype, shape, data }] : []));
  const kept = { inputs: whole(inputs), outputs: whole(outputs) };
  return kept.inputs.length === inputs.length && kept.outputs.length === outputs.length ? kept : undefined;
}

/** The row that a revision got; places that its signature does not name are called by their number. */
function inputsByName(
  { numeric, categories }: Pick<PredictionRecord, 'numeric' | 'categories'>,
  signature: Signature | undefined,
): Record<string, number | string | null> {
  const names = {
    numeric: signature && namesOf(signature, 'numeric'),
    category: signature && namesOf(signature, 'category'),
  };
  return Object.fromEntries<number | string | null>([
    ...numeric.map((value, i): [string, number | null] => [names.numeric?.[i] ?? `numeric.${i}`, value]),
    ...categories.map((value, i): [string, string] => [names.category?.[i] ?? `categories.${i}`, value]),
  ]);
}

/** As the counts are made: the first and the last bin are open to the outside. */
function numericBins(edges: readonly number[]): string[] {
  const inner = edges.slice(1, -1).map((edge) => String(Number(edge.toPrecision(4))));
  if (inner.length === 0) return ['all'];
  return [`< ${inner[0]}`, ...inner.slice(1).map((to, i) => `${inner[i]} … ${to}`), `≥ ${inner.at(-1)}`];
}

function lossOf(score: number | null, label: number): number | null {
  if (score === null || !isProbability(score)) return null;
  return logLoss(Float64Array.of(score), Float64Array.of(label));
}

/** An arm that failed was drawn all the same: what came of the answer in its place is what it brings. */
function drawnOf(rows: readonly DrawnRow[]): Drawn[] {
  const several = rows.some(({ arm }) => arm !== 'current' && arm !== 'candidate');
  const armBy = new Map(rows.flatMap(({ fallback, revision, arm }) => (fallback === null ? [[revision, arm]] : [])));
  return rows.map(({ at, arm, fallback, propensity, score, shadowScore, label }) => {
    const failed = fallback === null ? undefined : (JSON.parse(fallback) as { readonly revision: string }).revision;
    const base = { at, propensity, label };
    if (several) return { ...base, arm: failed === undefined ? arm : (armBy.get(failed) ?? failed), scores: {} };
    const drawn = failed === undefined ? arm : 'candidate';
    const [own, other] = failed === undefined ? [score, shadowScore] : [null, score];
    const [current, candidate] = drawn === 'candidate' ? [other, own] : [own, other];
    return { ...base, arm: drawn, scores: { current, candidate } };
  });
}
