import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';
import { storableText } from '../store/tables.ts';
import type { FiringView } from './contract.ts';
import type { TriggerState } from './model.ts';
import type { TriggerSpec } from './spec.ts';

interface Tables {
  readonly trigger_state: {
    name: string;
    source: string;
    spec: string;
    state: string;
    due_at: number | null;
    secret: string | null;
  };
  readonly trigger_firing: {
    id: string;
    name: string;
    at: number;
    outcome: string;
    run: string | null;
    reason: string | null;
  };
  readonly trigger_delivery: { name: string; id: string; at: number };
}

type Db = Kysely<AnyTables>;
const TRIGGERS_MAX = 1_000;
const tables = (db: Db): Kysely<Tables> => db;

export interface StoredTrigger {
  readonly name: string;
  readonly spec: TriggerSpec;
  readonly state: TriggerState;
  readonly secret: string | null;
}

/** What a trigger listens to, as one text: `pipeline/ingest`, `dataset/flights`, `event/incident.opened`, `webhook`. */
export function sourceOf({ on }: TriggerSpec): string {
  if ('pipeline' in on) return `pipeline/${on.pipeline}`;
  if ('event' in on) return `event/${on.event}`;
  return 'dataset' in on ? `dataset/${on.dataset}` : 'webhook';
}

export async function saveTrigger(db: Db, { name, spec, state, secret }: StoredTrigger): Promise<void> {
  const row = {
    ...{ source: sourceOf(spec), spec: JSON.stringify(spec), secret },
    ...{ state: JSON.stringify(state), due_at: state.pending?.dueAt ?? null },
  };
  await tables(db)
    .insertInto('trigger_state')
    .values({ name, ...row })
    .onConflict((c) => c.column('name').doUpdateSet(row))
    .execute();
}

export async function removeTrigger(db: Db, name: string): Promise<void> {
  await tables(db).deleteFrom('trigger_state').where('name', '=', name).execute();
}

export async function findTrigger(db: Db, name: string): Promise<StoredTrigger | undefined> {
  const row = await tables(db).selectFrom('trigger_state').selectAll().where('name', '=', name).executeTakeFirst();
  return row && triggerOf(row);
}

export async function listTriggers(db: Db, source?: string): Promise<StoredTrigger[]> {
  let query = tables(db).selectFrom('trigger_state').selectAll().orderBy('name').limit(TRIGGERS_MAX);
  if (source !== undefined) query = query.where('source', '=', source);
  return (await query.execute()).map(triggerOf);
}

/** What any trigger listens to, each source once. */
export async function listSources(db: Db): Promise<string[]> {
  const rows = await tables(db).selectFrom('trigger_state').select('source').distinct().execute();
  return rows.map(({ source }) => source);
}

/** All triggers by name, each with the last that it did about an event. */
export async function listTriggersWithLast(
  db: Db,
): Promise<{ readonly trigger: StoredTrigger; readonly last: FiringView | null }[]> {
  const rows = await tables(db)
    .selectFrom('trigger_state as t')
    .leftJoin('trigger_firing as f', (join) =>
      join.on('f.id', '=', (e) =>
        e
          .selectFrom('trigger_firing as latest')
          .select((of) => of.fn.max('latest.id').as('id'))
          .whereRef('latest.name', '=', 't.name'),
      ),
    )
    .select(['t.name', 't.source', 't.spec', 't.state', 't.due_at', 't.secret'])
    .select(['f.id', 'f.at', 'f.outcome', 'f.run', 'f.reason'])
    .orderBy('t.name')
    .limit(TRIGGERS_MAX)
    .execute();
  return rows.map(({ id, at, outcome, run, reason, ...row }) => {
    const last = id === null || at === null || outcome === null ? null : { id, at, outcome, run, reason };
    return { trigger: triggerOf(row), last: last && firingOf({ ...last, name: row.name }) };
  });
}

export async function dueTriggers(db: Db, now: number, limit: number): Promise<string[]> {
  const rows = await tables(db)
    .selectFrom('trigger_state')
    .select('name')
    .where('due_at', '<=', now)
    .orderBy('due_at')
    .limit(limit)
    .execute();
  return rows.map(({ name }) => name);
}

export async function insertFiring(db: Db, firing: FiringView): Promise<void> {
  const { firing: id, trigger: name, at, outcome, run, reason } = firing;
  await tables(db)
    .insertInto('trigger_firing')
    .values({ id, name, at, outcome, run, reason: reason && storableText(reason) })
    .execute();
}

export async function listFirings(
  db: Db,
  filter: { readonly trigger: string; readonly after?: string | undefined; readonly limit: number },
): Promise<FiringView[]> {
  let query = tables(db)
    .selectFrom('trigger_firing')
    .selectAll()
    .where('name', '=', filter.trigger)
    .orderBy('id', 'desc')
    .limit(filter.limit);
  if (filter.after !== undefined) query = query.where('id', '<', filter.after);
  return (await query.execute()).map(firingOf);
}

/** Notes a delivery; false when it was noted before. Notes older than `before` are forgotten. */
export async function noteDelivery(
  db: Db,
  delivery: { readonly name: string; readonly id: string; readonly at: number },
  before: number,
): Promise<boolean> {
  await tables(db).deleteFrom('trigger_delivery').where('at', '<', before).execute();
  const { name, id } = delivery;
  const known = await tables(db)
    .selectFrom('trigger_delivery')
    .select('id')
    .where('name', '=', name)
    .where('id', '=', id)
    .executeTakeFirst();
  if (known) return false;
  await tables(db).insertInto('trigger_delivery').values(delivery).execute();
  return true;
}

function firingOf({ id, name, outcome, ...row }: Tables['trigger_firing']): FiringView {
  return { ...row, firing: id, trigger: name, outcome: outcome as FiringView['outcome'] };
}

function triggerOf(row: Tables['trigger_state']): StoredTrigger {
  return { name: row.name, spec: JSON.parse(row.spec), state: JSON.parse(row.state), secret: row.secret };
}
