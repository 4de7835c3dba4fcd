import { bucketHash } from '#core/hash';
import type { PredictionRecord, SkewReport } from '../contract.ts';
import { namesOf } from '../drift.ts';
import { monitoringErrors } from '../errors.ts';
import type { TimeRange } from '../model.ts';
import { idsWithEntities, predictionsOf } from '../store/records.ts';
import type { MonitoringDeps } from './deps.ts';

const PREDICTIONS_MAX = 500_000;
const EXAMPLES_MAX = 20;

/**
 * Compares what the endpoint looked up online with what its definition gives offline as of the same time. The sample is
 * the predictions with the smallest hashes of their ids, so the same range is always audited on the same rows. Values
 * are equal when their 32-bit floats are, missing equal to missing.
 *
 * Errors: `monitoring/nothing-to-audit`, `monitoring/range-too-large`.
 */
export async function auditSkew(
  deps: MonitoringDeps,
  endpoint: string,
  { sample, ...range }: TimeRange & { readonly sample: number },
): Promise<SkewReport> {
  const records = await sampled(deps, endpoint, { ...range, sample });
  const rows = records.map(({ at, entities }) => ({ at, entities: entities ?? {} }));
  const { names, values } = await deps.recompute(endpoint, rows);
  const layouts = new Map<string, readonly string[]>();
  for (const { revision } of records) {
    if (layouts.has(revision)) continue;
    const signature = await deps.signatureOf(revision);
    layouts.set(revision, signature ? namesOf(signature, 'numeric') : []);
  }
  let compared = 0;
  const mismatches = new Map<string, number>();
  const examples: SkewReport['examples'] = [];
  records.forEach((record, row) => {
    const layout = layouts.get(record.revision) ?? [];
    names.forEach((feature, f) => {
      const position = layout.indexOf(feature);
      if (position < 0) return;
      compared++;
      const online = record.numeric[position] ?? null;
      const offline = numberOf(values[f]?.[row]);
      if (online === offline) return;
      mismatches.set(feature, (mismatches.get(feature) ?? 0) + 1);
      if (examples.length < EXAMPLES_MAX) {
        examples.push({ prediction: record.id, at: record.at, feature, online, offline });
      }
    });
  });
  return reportOf({ rows: records.length, compared, mismatches, examples });
}

async function sampled(
  { db }: MonitoringDeps,
  endpoint: string,
  { sample, ...range }: TimeRange & { readonly sample: number },
): Promise<PredictionRecord[]> {
  const ids = await idsWithEntities(db.reader, endpoint, { ...range, limit: PREDICTIONS_MAX + 1 });
  if (ids.length > PREDICTIONS_MAX) {
    throw monitoringErrors['range-too-large'](`the range holds over ${PREDICTIONS_MAX} predictions: narrow it`);
  }
  if (ids.length === 0) {
    throw monitoringErrors['nothing-to-audit'](`endpoint '${endpoint}' has no prediction with entities in the range`);
  }
  const chosen = ids
    .map((id) => ({ id, hash: bucketHash(id) }))
    .sort((a, b) => a.hash - b.hash || (a.id < b.id ? -1 : 1))
    .slice(0, sample);
  const records = await predictionsOf(
    db.reader,
    chosen.map(({ id }) => id),
  );
  return records.sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
}

function numberOf(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}

function reportOf(found: {
  readonly rows: number;
  readonly compared: number;
  readonly mismatches: ReadonlyMap<string, number>;
  readonly examples: SkewReport['examples'];
}): SkewReport {
  const { rows, compared, mismatches, examples } = found;
  const features = [...mismatches]
    .map(([feature, mismatched]) => ({ feature, mismatched }))
    .sort((a, b) => b.mismatched - a.mismatched || (a.feature < b.feature ? -1 : 1));
  const mismatched = features.reduce((sum, feature) => sum + feature.mismatched, 0);
  const worst = features[0];
  const checked = `${rows} predictions, ${compared} feature values`;
  const agreement =
    compared > 0
      ? 'online and offline agree exactly'
      : 'none came from a view of the endpoint, so nothing was compared';
  const sentence = worst
    ? `${checked}: ${mismatched} differ offline, most in ${worst.feature} (${worst.mismatched}).`
    : `${checked}: ${agreement}.`;
  return { rows, values: compared, mismatched, features, examples, sentence };
}
