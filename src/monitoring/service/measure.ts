import type { MonitorSpec } from '../contract.ts';
import { type DriftFigure, dominantRevision, driftOf, sameInputs } from '../drift.ts';
import { type ScoredRow, type Stage, stageOf, type TimeRange } from '../model.ts';
import type { InputRow } from '../numeric-inputs.ts';
import { type Figure, figuresOf } from '../quality.ts';
import { inputRows, scoredRows } from '../store/records.ts';
import type { MonitoringDeps } from './deps.ts';

export interface Measurement {
  readonly figures: readonly Figure[];
  readonly drift: readonly DriftFigure[];
}

/**
 * Measures one window of one or both stages. It only reads, outside any transaction, so that recording goes on
 * meanwhile.
 */
export async function measureWindow(
  deps: MonitoringDeps,
  spec: MonitorSpec,
  { stages, ...range }: TimeRange & { readonly stages: readonly Stage[] },
): Promise<Measurement> {
  const rows = await scoredRows(deps.db.reader, spec.endpoint, range);
  const metrics = spec.metrics.filter((metric) => stages.includes(stageOf(metric)));
  const drift = spec.drift && stages.includes('inputs') ? await measureDrift(deps, spec, { rows, range }) : [];
  return { figures: figuresOf(rows, metrics), drift };
}

async function measureDrift(
  deps: MonitoringDeps,
  spec: MonitorSpec,
  { rows, range }: { readonly rows: readonly ScoredRow[]; readonly range: TimeRange },
): Promise<DriftFigure[]> {
  const revision = dominantRevision(rows);
  if (revision === undefined || !spec.drift) return [];
  const [signature, reference] = await Promise.all([deps.signatureOf(revision), deps.profileOf(revision)]);
  if (!signature || !reference) return [];
  const fitting = new Set<string>();
  for (const other of new Set(rows.map((row) => row.revision))) {
    const inputs = other === revision ? signature : await deps.signatureOf(other);
    if (inputs && sameInputs(inputs, signature)) fitting.add(other);
  }
  const inputs: InputRow[] = await inputRows(deps.db.reader, spec.endpoint, range);
  return driftOf({
    revision,
    signature,
    reference,
    rows: inputs.filter((row) => fitting.has(row.revision)),
    scores: scoresOf(revision, rows),
    spec: spec.drift,
  });
}

function scoresOf(revision: string, rows: readonly ScoredRow[]): Float64Array {
  const scores = rows.flatMap((row) => {
    if (row.revision === revision) return [row.score];
    return row.shadowRevision === revision && row.shadowScore !== null ? [row.shadowScore] : [];
  });
  return Float64Array.from(scores);
}
