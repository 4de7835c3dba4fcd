import { z } from 'zod';
import { seededRandom } from '#core/random';
import { profileOf } from '#math/summary/profile';
import type { OpenDatabase } from '#testing/databases';
import type { Label, PredictionRecord } from './contract.ts';
import type { Signature } from './drift.ts';
import { createMonitoring, type MonitoringDeps, monitoringKinds } from './index.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const START = Date.UTC(2001, 1, 5);

export const signature: Signature = {
  inputs: [
    { name: 'delay', kind: 'numeric' },
    { name: 'carrier', kind: 'category' },
    { name: 'distance', kind: 'numeric' },
  ],
};

export interface Traffic {
  readonly records: PredictionRecord[];
  readonly labels: Label[];
}

/**
 * Requests every `stepMs` of a rollout in which the arms take turns; the current revision is `m@1`, the candidate `m@2`
 * is better. The same seed gives the same traffic. `shift` is added to the input `delay`.
 */
export function traffic(options: {
  readonly hours: number;
  readonly from?: number;
  readonly stepMs?: number;
  readonly seed?: number;
  readonly shift?: number;
  readonly rollout?: string | null;
}): Traffic {
  const { hours, from = START, stepMs = 10 * 60_000, seed = 1, shift = 0, rollout = 'ro_1' } = options;
  const random = seededRandom(seed);
  const records: PredictionRecord[] = [];
  const labels: Label[] = [];
  for (let at = from; at < from + hours * HOUR_MS; at += stepMs) {
    const truth = random.next();
    const scores = { 'm@1': blurred(truth, 0.4, random.next()), 'm@2': blurred(truth, 0.1, random.next()) };
    const arm = rollout !== null && records.length % 2 === 1 ? 'candidate' : 'current';
    const [revision, other] = arm === 'candidate' ? (['m@2', 'm@1'] as const) : (['m@1', 'm@2'] as const);
    const id = `p-${at}`;
    records.push({
      id,
      endpoint: 'delays',
      at,
      receivedAt: at + 5,
      revision,
      arm,
      score: scores[revision],
      propensity: 0.5,
      ...(rollout === null ? {} : { shadow: { revision: other, score: scores[other] }, rollout }),
      numeric: [random.int(50) === 0 ? null : random.next() * 10 + shift, Math.fround(truth)],
      categories: [['AA', 'UA', ''][random.int(3)] as string],
      entities: { origin: 'ATL' },
      latencyUs: 180.5,
    });
    labels.push({ prediction: id, value: random.next() < truth ? 1 : 0, knownAt: at + 2 * HOUR_MS });
  }
  return { records, labels };
}

function blurred(truth: number, noise: number, draw: number): number {
  return Math.min(0.99, Math.max(0.01, truth + (draw - 0.5) * noise));
}

/** The reference of both revisions: ten days of undisturbed traffic, and what PSI its days have among themselves. */
export function reference() {
  const { records } = traffic({ hours: 240, seed: 7 });
  const column = (i: number) => Float32Array.from(records, (record) => record.numeric[i] ?? Number.NaN);
  const profile = profileOf({
    delay: column(0),
    distance: column(1),
    carrier: records.map((record) => record.categories[0] || null),
    prediction: Float32Array.from(records, (record) => record.score),
  });
  const heldOut = Array.from({ length: 30 }, (_, day) => 0.1 + day / 100);
  return { profile, heldOut: { delay: heldOut, distance: heldOut, carrier: heldOut.slice(0, 5) } };
}

export async function openMonitoring(open: OpenDatabase, deps: Partial<MonitoringDeps> = {}) {
  const endpointKind = { kind: 'endpoint', schema: z.looseObject({}) };
  const database = await open({ kinds: [...monitoringKinds, endpointKind] });
  const frozen = reference();
  const sources: Omit<MonitoringDeps, keyof typeof database.deps> = {
    signatureOf: async () => signature,
    profileOf: async () => frozen,
    recompute: async (_endpoint, rows) => ({ names: ['distance'], values: [new Float32Array(rows.length)] }),
    ...deps,
  };
  const monitoring = createMonitoring({ ...database.deps, ...sources });
  const context = { actor: { id: 'user:ada', roles: ['admin'] }, action: 'resource.apply' };
  const declare = (spec: Record<string, unknown> = {}, name = 'daily') =>
    database.resources.apply(context, [
      { kind: 'endpoint', name: 'delays', spec: {} },
      { kind: 'monitor', name, spec: { endpoint: 'delays', window: '1d', clock: 'declared', ...spec } },
    ]);
  return { ...database, monitoring, sources, declare, frozen };
}

/** Every figure of every version, everything published and every signal: what two histories are compared by. */
export async function resultsOf({ db, monitoring }: Awaited<ReturnType<typeof openMonitoring>>) {
  const figures = await monitoring.readings.figures({
    endpoint: 'delays',
    from: 0,
    to: Number.MAX_SAFE_INTEGER,
    limit: 100_000,
    versions: 'all',
  });
  const rows = await db.reader.selectFrom('event').selectAll().orderBy('seq').execute();
  const events = rows
    .filter((row) => String(row['type']).startsWith('monitoring.'))
    .map((row) => ({ type: row['type'] as string, data: JSON.parse(row['data'] as string) }));
  const drift = await db.reader
    .selectFrom('drift_figure')
    .selectAll()
    .orderBy('monitor')
    .orderBy('window_start')
    .orderBy('feature')
    .orderBy('version')
    .execute();
  const signals = (await monitoring.readings.signals({ limit: 1_000 })).length;
  const blocks = events.filter(({ type }) => type === 'monitoring.comparison-block');
  return { figures, events, blocks, drift, signals };
}
