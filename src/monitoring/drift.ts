import { calibratedThreshold } from '#math/drift/calibrated-threshold';
import { psi } from '#math/drift/psi';
import { type ColumnProfile, type Columns, countsOf, type Profile, profileLike } from '#math/summary/profile';
import type { DriftSpec } from './contract.ts';
import type { ScoredRow } from './model.ts';
import { decodeNumeric, type InputRow } from './numeric-inputs.ts';

/** What a revision takes: the numeric inputs in order are `numeric` of a record, the category ones `categories`. */
export interface Signature {
  readonly inputs: readonly { readonly name: string; readonly kind: 'numeric' | 'category' }[];
}

/** The frozen reference of a revision, made when it was trained. */
export interface Reference {
  readonly profile: Profile;
  /** By column: PSI of windows of the reference that were held out, each as long as a monitor's window. */
  readonly heldOut: Readonly<Record<string, readonly number[]>>;
}

export interface DriftFigure {
  readonly feature: string;
  readonly revision: string;
  readonly value: number | null;
  readonly threshold: number | null;
  readonly requests: number;
  /** The window's counts over the reference's bins, as `countsOf` lists them. */
  readonly counts: readonly number[];
}

/** The column of a profile that holds scores, and the name under which their drift is told. */
export const PREDICTION = 'prediction';

/**
 * The revision whose signature and reference a window is read with: the one that gave most answers; of equals, the one
 * that answered last.
 */
export function dominantRevision(rows: readonly ScoredRow[]): string | undefined {
  const answers = new Map<string, number>();
  for (const { revision } of rows) answers.set(revision, (answers.get(revision) ?? 0) + 1);
  let found: string | undefined;
  for (const { revision } of rows) {
    if (found === undefined || (answers.get(revision) ?? 0) >= (answers.get(found) ?? 0)) found = revision;
  }
  return found;
}

/** Whether records of two revisions have the same layout. */
export function sameInputs(a: Signature, b: Signature): boolean {
  return (
    a.inputs.length === b.inputs.length &&
    a.inputs.every(({ name, kind }, i) => name === b.inputs[i]?.name && kind === b.inputs[i]?.kind)
  );
}

export interface DriftInput {
  readonly revision: string;
  readonly signature: Signature;
  readonly reference: Reference;
  /** Rows laid out as `signature` says; others are left out. */
  readonly rows: readonly InputRow[];
  /** Scores that `revision` gave in the window. */
  readonly scores: Float64Array;
  readonly spec: DriftSpec;
}

/** PSI of each watched feature, and of the scores, against the reference; O(rows · features · log bins). */
export function driftOf({ revision, signature, reference, rows, scores, spec }: DriftInput): DriftFigure[] {
  const watched = signature.inputs
    .map(({ name }) => name)
    .filter((name) => spec.features === 'all' || spec.features.includes(name));
  const columns = columnsOf(signature, rows, new Set(watched));
  const figure = (feature: string, column: Columns[string]): DriftFigure[] => {
    const frozen = reference.profile.columns[feature];
    if (!frozen || column.length === 0 || (frozen.kind === 'numeric') !== ArrayBuffer.isView(column)) return [];
    const only: Profile = { rows: reference.profile.rows, columns: { [feature]: frozen } };
    const counts = countsOf(profileLike(only, { [feature]: column }).columns[feature] as ColumnProfile);
    const value = psi(countsOf(frozen), counts);
    const threshold = thresholdOf(reference.heldOut[feature] ?? [], spec);
    return [{ feature, revision, value, threshold, requests: column.length, counts }];
  };
  const ofInputs = columns.flatMap(([name, column]) => figure(name, column));
  const taken = signature.inputs.some(({ name }) => name === PREDICTION);
  return taken ? ofInputs : [...ofInputs, ...figure(PREDICTION, scores)];
}

function thresholdOf(heldOut: readonly number[], { threshold }: DriftSpec): number | null {
  const known = heldOut.filter(Number.isFinite);
  return known.length < threshold.windowsMin ? null : calibratedThreshold(known, threshold).threshold;
}

/** The watched inputs as columns. */
function columnsOf(signature: Signature, rows: readonly InputRow[], watched: ReadonlySet<string>) {
  const numericNames = namesOf(signature, 'numeric');
  const categoryNames = namesOf(signature, 'category');
  const fitting = rows.filter((row) => row.numeric.byteLength === numericNames.length * 4);
  const numeric = numericNames.map(() => new Float32Array(fitting.length));
  const categories = categoryNames.map(() => new Array<string | null>(fitting.length).fill(null));
  fitting.forEach((row, i) => {
    const values = decodeNumeric(row.numeric);
    for (let f = 0; f < values.length; f++) (numeric[f] as Float32Array)[i] = values[f] as number;
    if (categories.length === 0) return;
    const texts: string[] = JSON.parse(row.categories);
    // A missing category is recorded as an empty text, because a record's list has no nulls.
    for (let c = 0; c < categories.length; c++) (categories[c] as (string | null)[])[i] = texts[c] || null;
  });
  const named: [string, Columns[string]][] = [
    ...numericNames.map((name, f): [string, Columns[string]] => [name, numeric[f] as Float32Array]),
    ...categoryNames.map((name, c): [string, Columns[string]] => [name, categories[c] as (string | null)[]]),
  ];
  return named.filter(([name]) => watched.has(name));
}

export function namesOf(signature: Signature, kind: 'numeric' | 'category'): string[] {
  return signature.inputs.filter((input) => input.kind === kind).map(({ name }) => name);
}
