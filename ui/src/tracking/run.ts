import type { kedge } from '../data/read.ts';

/** A run with what was logged to it, as the platform answers it. */
export type TrackedRun = Awaited<ReturnType<typeof kedge.tracking.getTrackingRun>>;
export type RunKeys = Awaited<ReturnType<typeof kedge.tracking.listRunKeys>>;

/** JSON has no NaN and no infinities: they come by their names. */
export function numberOf(sent: number | string): number {
  return typeof sent === 'number' ? sent : Number(sent);
}

export function durationOf({ startedAt, endedAt }: TrackedRun, now: number): number {
  return Math.max(0, (endedAt ?? now) - startedAt);
}

/** What a person typed or chose as name; a tag of MLflow's own is of no interest beside it. */
export function isOwnTag(key: string): boolean {
  return !key.startsWith('mlflow.');
}
