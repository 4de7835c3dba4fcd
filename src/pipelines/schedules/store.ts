import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';
import { storableText } from '../store/tables.ts';
import type { TickView } from './contract.ts';
import type { ScheduleSpec } from './spec.ts';

interface Tables {
  readonly schedule: {
    name: string;
    pipeline: string;
    spec: string;
    cursor_at: number;
    next_at: number | null;
    paused_at: number | null;
    paused_by: string | null;
    pause_reason: string | null;
  };
  readonly schedule_tick: {
    schedule: string;
    at: number;
    outcome: string;
    run: string | null;
    reason: string | null;
    decided_at: number;
  };
  readonly pipeline_run: { id: string; status: string };
}

type Db = Kysely<AnyTables>;
const tables = (db: Db): Kysely<Tables> => db;

export interface StoredSchedule {
  readonly name: string;
  readonly spec: ScheduleSpec;
  readonly cursorAt: number;
  readonly nextAt: number | null;
  readonly pausedAt: number | null;
  readonly pausedBy: string | null;
  readonly pauseReason: string | null;
}

export async function saveSchedule(db: Db, schedule: StoredSchedule): Promise<void> {
  const row = {
    pipeline: schedule.spec.pipeline,
    spec: JSON.stringify(schedule.spec),
    cursor_at: schedule.cursorAt,
    next_at: schedule.nextAt,
    paused_at: schedule.pausedAt,
    paused_by: schedule.pausedBy,
    pause_reason: schedule.pauseReason,
  };
  await tables(db)
    .insertInto('schedule')
    .values({ name: schedule.name, ...row })
    .onConflict((c) => c.column('name').doUpdateSet(row))
    .execute();
}

/** Its ticks stay: a schedule of that name that is declared again does not repeat them. */
export async function removeSchedule(db: Db, name: string): Promise<void> {
  await tables(db).deleteFrom('schedule').where('name', '=', name).execute();
}

export async function findSchedule(db: Db, name: string): Promise<StoredSchedule | undefined> {
  const row = await tables(db).selectFrom('schedule').selectAll().where('name', '=', name).executeTakeFirst();
  return row && scheduleOf(row);
}

/** Schedules by name, each with its newest tick. */
export async function listSchedulesWithLast(
  db: Db,
  filter: { readonly pipeline?: string | undefined; readonly after?: string | undefined; readonly limit: number },
): Promise<{ readonly schedule: StoredSchedule; readonly last: TickView | null }[]> {
  let query = tables(db)
    .selectFrom('schedule as s')
    .leftJoin('schedule_tick as t', (join) =>
      join.onRef('t.schedule', '=', 's.name').on('t.at', '=', (e) =>
        e
          .selectFrom('schedule_tick as latest')
          .select((of) => of.fn.max('latest.at').as('at'))
          .whereRef('latest.schedule', '=', 's.name'),
      ),
    )
    .selectAll('s')
    .select(['t.at', 't.outcome', 't.run', 't.reason', 't.decided_at'])
    .orderBy('s.name')
    .limit(filter.limit);
  if (filter.pipeline !== undefined) query = query.where('s.pipeline', '=', filter.pipeline);
  if (filter.after !== undefined) query = query.where('s.name', '>', filter.after);
  return (await query.execute()).map(({ at, outcome, run, reason, decided_at, ...row }) => {
    const last =
      at === null || outcome === null || decided_at === null ? null : { at, outcome, run, reason, decided_at };
    return { schedule: scheduleOf(row), last: last && tickOf({ ...last, schedule: row.name }) };
  });
}

/** Schedules with something to decide, longest due first. */
export async function dueSchedules(db: Db, now: number, limit: number): Promise<string[]> {
  const rows = await tables(db)
    .selectFrom('schedule')
    .select('name')
    .where('paused_at', 'is', null)
    .where('next_at', '<=', now)
    .orderBy('next_at')
    .orderBy('name')
    .limit(limit)
    .execute();
  return rows.map(({ name }) => name);
}

/** In how many milliseconds the next tick is due, if that is before `withinMs` have passed. */
export async function nextTickWithin(db: Db, now: number, withinMs: number): Promise<number | undefined> {
  if (withinMs <= 0) return undefined;
  const row = await tables(db)
    .selectFrom('schedule')
    .select(({ fn }) => fn.min('next_at').as('at'))
    .where('paused_at', 'is', null)
    // A monotonic clock tells parts of milliseconds, and PostgreSQL compares an integer with integers only.
    .where('next_at', '<=', Math.floor(now + withinMs))
    .executeTakeFirst();
  return row?.at == null ? undefined : Math.max(0, Number(row.at) - now);
}

export async function insertTick(db: Db, tick: TickView): Promise<void> {
  await tables(db)
    .insertInto('schedule_tick')
    .values({
      schedule: tick.schedule,
      at: tick.at,
      outcome: tick.outcome,
      run: tick.run,
      reason: tick.reason && storableText(tick.reason),
      decided_at: tick.decidedAt,
    })
    .execute();
}

/** The tick, if it was decided. */
export async function findTick(db: Db, schedule: string, at: number): Promise<TickView | undefined> {
  const row = await tables(db)
    .selectFrom('schedule_tick')
    .selectAll()
    .where('schedule', '=', schedule)
    .where('at', '=', at)
    .executeTakeFirst();
  return row && tickOf(row);
}

/** Newest first, before a time. */
export async function listTicks(
  db: Db,
  filter: { readonly schedule: string; readonly before?: number | undefined; readonly limit: number },
): Promise<TickView[]> {
  let query = tables(db)
    .selectFrom('schedule_tick')
    .selectAll()
    .where('schedule', '=', filter.schedule)
    .orderBy('at', 'desc')
    .limit(filter.limit);
  if (filter.before !== undefined) query = query.where('at', '<', filter.before);
  return (await query.execute()).map(tickOf);
}

/** Ticks of a span of time, ascending, with how the run of each is by now. */
export async function ticksWithRuns(
  db: Db,
  { schedule, from, to }: { readonly schedule: string; readonly from: number; readonly to: number },
): Promise<(Omit<TickView, 'schedule' | 'decidedAt'> & { readonly runStatus: string | null })[]> {
  const rows = await tables(db)
    .selectFrom('schedule_tick as t')
    .leftJoin('pipeline_run as r', 'r.id', 't.run')
    .select(['t.at', 't.outcome', 't.run', 't.reason', 'r.status'])
    .where('t.schedule', '=', schedule)
    .where('t.at', '>=', from)
    .where('t.at', '<', to)
    .orderBy('t.at')
    .execute();
  return rows.map(({ at, outcome, run, reason, status }) => {
    return { at, outcome: outcome as TickView['outcome'], run, reason, runStatus: status };
  });
}

export async function removeTicks(db: Db, schedule: string, before: number): Promise<void> {
  await tables(db).deleteFrom('schedule_tick').where('schedule', '=', schedule).where('at', '<', before).execute();
}

/** A run that an earlier tick of the schedule started and that has not ended. */
export async function activeRunOf(db: Db, schedule: string): Promise<string | undefined> {
  const row = await tables(db)
    .selectFrom('schedule_tick')
    .innerJoin('pipeline_run', 'pipeline_run.id', 'schedule_tick.run')
    .select('pipeline_run.id')
    .where('schedule_tick.schedule', '=', schedule)
    .where('pipeline_run.status', 'not in', ['succeeded', 'failed', 'cancelled'])
    .orderBy('schedule_tick.at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.id;
}

function scheduleOf(row: Tables['schedule']): StoredSchedule {
  return {
    name: row.name,
    spec: JSON.parse(row.spec),
    cursorAt: row.cursor_at,
    nextAt: row.next_at,
    pausedAt: row.paused_at,
    pausedBy: row.paused_by,
    pauseReason: row.pause_reason,
  };
}

function tickOf(row: Tables['schedule_tick']): TickView {
  return {
    schedule: row.schedule,
    at: row.at,
    outcome: row.outcome as TickView['outcome'],
    run: row.run,
    reason: row.reason,
    decidedAt: row.decided_at,
  };
}
