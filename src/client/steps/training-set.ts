import { buildTrainingSet, type FeatureViewSpec, type LeakReport, plannedView } from '#features/training';
import type { StepContext } from '#pipelines';
import { floatsOf } from '#platform/columnar';
import { readJson, withColumnar, writeJson, writeTable } from './files.ts';

/** A dataset as a step receives it: the input `dataset:<name>`, pinned at what was its newest commit at the start. */
export interface SnapshotFile {
  readonly dataset: string;
  readonly commit: number;
  /** Segments of accepted rows, each a local Parquet file. */
  readonly blobs: readonly {
    readonly path: string;
    readonly rows: number;
    readonly minAt: number;
    readonly maxAt: number;
  }[];
}

/** A feature view as a step receives it: the input `feature-view:<name>`, as declared at the run's start. */
export interface FeatureViewFile {
  readonly name: string;
  readonly spec: FeatureViewSpec;
}

export interface TrainingSetOptions {
  /** Name of the step's input that is the dataset. */
  readonly dataset: string;
  /** Names of the step's inputs that are feature views. */
  readonly views?: readonly string[];
  /** Rows whose event lies in `[from, to)`: epoch milliseconds or ISO 8601. */
  readonly from: number | string;
  readonly to: number | string;
  /** Only rows whose label was known by then; `to` unless told. */
  readonly knownBefore?: number | string;
  readonly sampleRows?: number;
  /** The label as an SQL expression over the dataset's columns. */
  readonly label: string;
  /** Columns that a request brings with it, by the name of the model's input, as SQL expressions. */
  readonly columns?: Readonly<Record<string, string>>;
}

/** What a leak check found, in a form that is evidence: figures, and a sentence that names rows. */
export interface LeakEvidence {
  readonly passed: boolean;
  readonly summary: string;
  readonly rowsChecked: number;
  readonly rowsViolating: number;
  readonly byFeature: LeakReport['byFeature'];
  readonly examples: readonly {
    readonly row: number;
    readonly feature: string;
    readonly queryAt: string;
    readonly knownAt: string;
  }[];
}

/**
 * Builds a training set with point-in-time features. Writes the rows to the output `rows` (Parquet) and the proof that
 * they used only what was known at their time to the output `leaks` (JSON, {@link LeakEvidence}).
 */
export async function trainingSet(ctx: StepContext, options: TrainingSetOptions) {
  const snapshot = readJson<SnapshotFile>(inputOf(ctx, options.dataset));
  const views = (options.views ?? []).map((name) => {
    const file = readJson<FeatureViewFile>(inputOf(ctx, name));
    return plannedView(file.name, file.spec);
  });
  const to = epochMs(options.to);
  const built = await withColumnar(
    snapshot.blobs.map((segment) => segment.path),
    (columnar) =>
      buildTrainingSet(columnar, {
        segments: snapshot.blobs,
        views,
        rows: { from: epochMs(options.from), to, knownBefore: epochMs(options.knownBefore ?? to) },
        sampleRows: options.sampleRows,
        seed: ctx.seed,
        label: options.label,
        columns: options.columns ?? {},
      }),
  );
  const evidence = leakEvidence(built.leaks);
  await writeTable(built.table, ctx.output('rows'));
  writeJson(ctx.output('leaks'), evidence);
  const labels = floatsOf(built.table, 'label');
  const positive = labels.reduce((sum, label) => sum + label, 0);
  const result = { rows: built.table.rows, candidates: built.candidates, baseRate: positive / labels.length };
  for (const [name, value] of Object.entries(result)) ctx.metric(name, value);
  ctx.log(`${result.rows} of ${result.candidates} rows, base rate ${result.baseRate.toFixed(4)}; ${evidence.summary}`);
  return { ...result, commit: snapshot.commit, leaks: evidence.summary };
}

/**
 * Fails the run when the training set used the future, naming features and rows. `waive` lets it pass; the evidence
 * still says that it failed, and the gate will ask about it.
 */
export function requireNoLeaks(
  ctx: StepContext,
  { leaks = 'leaks', waive = false } = {},
): { readonly summary: string } {
  const evidence = readJson<LeakEvidence>(inputOf(ctx, leaks));
  for (const example of evidence.examples.slice(0, 5)) {
    ctx.log(
      `row ${example.row} at ${example.queryAt}: ${example.feature} used a value known only at ${example.knownAt}`,
    );
  }
  if (!evidence.passed && !waive) throw new Error(`leak check: ${evidence.summary}`);
  return { summary: evidence.passed ? evidence.summary : `waived: ${evidence.summary}` };
}

function leakEvidence(leaks: LeakReport): LeakEvidence {
  const passed = leaks.violations === 0;
  const worst = leaks.byFeature.toSorted((a, b) => b.violations - a.violations)[0];
  const examples = leaks.examples.map((example) => ({
    row: example.queryRow,
    feature: example.feature,
    queryAt: new Date(example.queryAt).toISOString(),
    knownAt: new Date(example.knownAt).toISOString(),
  }));
  const first = examples[0];
  const summary =
    passed || !first || !worst
      ? `each of ${leaks.rowsChecked} rows used only values known at its time`
      : `${leaks.rowsViolating} of ${leaks.rowsChecked} rows used values not yet known, most of all ${worst.feature} ` +
        `(first: row ${first.row} at ${first.queryAt} used a value of ${first.feature} known at ${first.knownAt})`;
  const { rowsChecked, rowsViolating } = leaks;
  return { passed, summary, rowsChecked, rowsViolating, byFeature: leaks.byFeature, examples };
}

/** The local path of a step's input. */
export function inputOf(ctx: StepContext, name: string): string {
  const path = ctx.inputs[name];
  if (path === undefined) {
    throw new Error(`the step '${ctx.step}' has no input '${name}': declare it in the step's inputs`);
  }
  return path;
}

function epochMs(time: number | string): number {
  const ms = typeof time === 'number' ? time : Date.parse(time);
  if (!Number.isFinite(ms)) throw new Error(`'${time}' is not a time: expected epoch milliseconds or ISO 8601`);
  return ms;
}
