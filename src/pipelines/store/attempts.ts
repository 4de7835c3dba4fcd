import { statement } from '#platform/db';
import type { AttemptPlace, AttemptUsage, AttemptView, StepError } from '../contract.ts';
import type { AttemptStatus } from '../model.ts';
import { stepOfUnit } from '../units.ts';
import { type Db, storableText, type Tables, tables } from './tables.ts';

export interface StoredAttempt extends AttemptView {
  readonly run: string;
  readonly step: string;
  /** The process of the worker that leased it; empty where it told none. */
  readonly instance: string;
}

export async function insertAttempt(db: Db, attempt: Omit<StoredAttempt, 'usage'>): Promise<void> {
  const { attempt: id, run, step, epoch, worker, instance, status, error } = attempt;
  await insertRow(db, {
    ...{ id, run, step, epoch, worker, instance, status },
    ...{ started_at: attempt.startedAt, lease_until: attempt.leaseUntil, finished_at: attempt.finishedAt },
    error: error && JSON.stringify(error),
  });
}

const insertRow = statement(
  [
    ...(['id', 'run', 'step', 'epoch', 'worker', 'instance', 'status'] as const),
    ...(['started_at', 'lease_until', 'finished_at', 'error'] as const),
  ],
  (db, row: Omit<Tables['pipeline_attempt'], 'usage' | 'executor' | 'job'>) =>
    tables(db).insertInto('pipeline_attempt').values(row),
);

export async function findAttempt(db: Db, attempt: string): Promise<StoredAttempt | undefined> {
  const [row] = await selectAttempt(db, { attempt });
  return row && attemptOf(row);
}

const selectAttempt = statement(['attempt'], (db, { attempt }: Pick<StoredAttempt, 'attempt'>) =>
  tables(db).selectFrom('pipeline_attempt').selectAll().where('id', '=', attempt),
);

export async function endAttempt(
  db: Db,
  attempt: string,
  end: {
    readonly status: AttemptStatus;
    readonly now: number;
    readonly error?: StepError | undefined;
    readonly usage?: AttemptUsage | undefined;
    readonly place?: AttemptPlace | undefined;
  },
): Promise<void> {
  const { executor = null, job = null } = end.place ? placed(end.place) : {};
  await updateEnded(db, {
    ...{ attempt, status: end.status, now: end.now, executor, job },
    error: end.error ? JSON.stringify(end.error) : null,
    usage: end.usage ? JSON.stringify(end.usage) : null,
  });
}

interface EndedAttempt {
  readonly attempt: string;
  readonly status: string;
  readonly now: number;
  readonly error: string | null;
  readonly usage: string | null;
  /** These are kept where they are null. */
  readonly executor: string | null;
  readonly job: string | null;
}

const updateEnded = statement(
  ['attempt', 'status', 'now', 'error', 'usage', 'executor', 'job'],
  (db, { attempt, status, now, error, usage, executor, job }: EndedAttempt) =>
    tables(db)
      .updateTable('pipeline_attempt')
      .set((e) => ({
        ...{ status, finished_at: now, error, usage },
        executor: e.fn.coalesce(e.val(executor), 'executor'),
        job: e.fn.coalesce(e.val(job), 'job'),
      }))
      .where('id', '=', attempt),
);

/** Keeps what an attempt runs on, where that is news. */
export async function savePlace(
  db: Db,
  { attempt, place: known }: Pick<StoredAttempt, 'attempt' | 'place'>,
  place: AttemptPlace | undefined,
): Promise<void> {
  if (!place || (known?.executor === place.executor && known.job === (place.job ?? known.job))) return;
  await tables(db).updateTable('pipeline_attempt').set(placed(place)).where('id', '=', attempt).execute();
}

/** The job is told once the cluster has it; an execution that has ended does not take it back. */
function placed({ executor, job }: AttemptPlace): { readonly executor: string; readonly job?: string } {
  return { executor: storableText(executor), ...(job === null ? {} : { job: storableText(job) }) };
}

export async function extendLease(db: Db, attempt: string, leaseUntil: number): Promise<void> {
  await tables(db).updateTable('pipeline_attempt').set({ lease_until: leaseUntil }).where('id', '=', attempt).execute();
}

/** The lease of the attempt is over `now`, if it was not before. */
export async function endLease(db: Db, attempt: string, now: number): Promise<void> {
  await tables(db)
    .updateTable('pipeline_attempt')
    .set({ lease_until: now - 1 })
    .where('id', '=', attempt)
    .where('lease_until', '>=', now)
    .execute();
}

/** Gives every live lease, or those of one run, at least until `leaseUntil`. */
export async function extendLeases(db: Db, leaseUntil: number, run?: string): Promise<void> {
  const query = tables(db)
    .updateTable('pipeline_attempt')
    .set({ lease_until: leaseUntil })
    .where('status', '=', 'running')
    .where('lease_until', '<', leaseUntil);
  await (run === undefined ? query : query.where('run', '=', run)).execute();
}

/** No live lease lasts longer than until `latest`, and none began later than that: it begins `now`. */
export async function boundLeases(
  db: Db,
  { latest, now }: { readonly latest: number; readonly now: number },
): Promise<void> {
  const live = tables(db).updateTable('pipeline_attempt').where('status', '=', 'running');
  await live.set({ lease_until: latest }).where('lease_until', '>', latest).execute();
  await live.set({ started_at: now }).where('started_at', '>', latest).execute();
}

export async function expiredAttempts(db: Db, now: number, limit: number): Promise<StoredAttempt[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_attempt')
    .selectAll()
    .where('status', '=', 'running')
    .where('lease_until', '<', now)
    .orderBy('lease_until')
    .limit(limit)
    .execute();
  return rows.map(attemptOf);
}

/** What one process of a worker holds: neither what one of before held under the name, nor what one since does. */
export async function heldAttempts(
  db: Db,
  { worker, instance }: { readonly worker: string; readonly instance: string },
): Promise<StoredAttempt[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_attempt')
    .selectAll()
    .where('status', '=', 'running')
    .where('worker', '=', worker)
    .where('instance', '=', instance)
    .orderBy('id')
    .execute();
  return rows.map(attemptOf);
}

/** The attempts of a run, by step in the order of their epochs. */
export async function attemptsOfRun(db: Db, run: string): Promise<Map<string, AttemptView[]>> {
  const rows = await tables(db)
    .selectFrom('pipeline_attempt')
    .selectAll()
    .where('run', '=', run)
    // Those of units, which there may be thousands of, are asked for with the unit.
    .where('step', 'not like', '%:%')
    .orderBy('epoch')
    .execute();
  const byStep = new Map<string, AttemptView[]>();
  for (const row of rows) {
    const { run: _run, step, instance: _instance, ...view } = attemptOf(row);
    byStep.set(step, [...(byStep.get(step) ?? []), view]);
  }
  return byStep;
}

/** Attempts of a run whose places a record has. */
const PLACES_MAX = 1_000;

/** What the attempts of a run ran on, by step with those of its units, in the order in which they started. */
export async function placesOf(
  db: Db,
  run: string,
): Promise<Map<string, (AttemptPlace & { readonly attempt: string; readonly worker: string })[]>> {
  const rows = await tables(db)
    .selectFrom('pipeline_attempt')
    .select(['id', 'step', 'worker', 'executor', 'job'])
    .where('run', '=', run)
    .where('executor', 'is not', null)
    .orderBy('started_at')
    .orderBy('id')
    .limit(PLACES_MAX)
    .execute();
  const byStep = Map.groupBy(rows, ({ step }) => stepOfUnit(step) ?? step);
  const placeOf = ({ id: attempt, worker, executor, job }: (typeof rows)[number]) => {
    return { attempt, worker, executor: executor ?? '', job };
  };
  return new Map([...byStep].map(([step, own]) => [step, own.map(placeOf)]));
}

function attemptOf(row: Tables['pipeline_attempt']): StoredAttempt {
  return {
    attempt: row.id,
    run: row.run,
    step: row.step,
    epoch: row.epoch,
    worker: row.worker,
    instance: row.instance,
    status: row.status as AttemptStatus,
    startedAt: row.started_at,
    leaseUntil: row.lease_until,
    finishedAt: row.finished_at,
    error: row.error === null ? null : JSON.parse(row.error),
    usage: row.usage === null ? null : JSON.parse(row.usage),
    ...(row.executor === null ? {} : { place: { executor: row.executor, job: row.job } }),
  };
}
