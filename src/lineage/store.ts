import type { Kysely } from 'kysely';
import { statement } from '#platform/db';
import type { AnyTables } from '#ports/sql';
import type { RunEvent } from './spec.ts';

interface Tables {
  readonly lineage_event: { position: number; run: string; step: string; type: string; body: string };
  readonly lineage_delivery: {
    id: number;
    position: number;
    failures: number;
    due_at: number;
    sent: number;
    refused: number;
    dropped: number;
    answer: string | null;
    answered_at: number | null;
  };
}

type Db = Kysely<AnyTables>;

function tables(db: Db): Kysely<Tables> {
  return db;
}

/** An event as it is kept and sent: the text does not change between the two. */
export interface StoredEvent {
  readonly position: number;
  readonly text: string;
}

/**
 * Appends an event. `step` is empty for one of the run as a whole. Writers run one at a time, so positions have no gap.
 */
export async function appendEvent(
  db: Db,
  of: { readonly run: string; readonly step: string },
  event: RunEvent,
): Promise<void> {
  const position = (await lastPosition(db)) + 1;
  const row = { position, ...of, type: event.eventType, body: JSON.stringify(event) };
  await insertEvent(db, row);
}

const insertEvent = statement(['position', 'run', 'step', 'type', 'body'], (db, row: Tables['lineage_event']) =>
  tables(db).insertInto('lineage_event').values(row),
);

/** How many events of a type there are of a run, or of a step of it. */
export async function countEvents(
  db: Db,
  of: { readonly run: string; readonly step: string },
  type: RunEvent['eventType'],
): Promise<number> {
  const [row] = await selectCount(db, { ...of, type });
  return Number(row?.events ?? 0);
}

const selectCount = statement(
  ['run', 'step', 'type'],
  (db, { run, step, type }: Pick<Tables['lineage_event'], 'run' | 'step' | 'type'>) =>
    tables(db)
      .selectFrom('lineage_event')
      .select((e) => e.fn.countAll<number>().as('events'))
      .where('run', '=', run)
      .where('step', '=', step)
      .where('type', '=', type),
);

/** Events after a position in their order; of one run, if it is told. */
export async function eventsAfter(
  db: Db,
  page: { readonly run?: string | undefined; readonly after: number; readonly limit: number },
): Promise<StoredEvent[]> {
  let query = tables(db)
    .selectFrom('lineage_event')
    .select(['position', 'body'])
    .where('position', '>', page.after)
    .orderBy('position')
    .limit(page.limit);
  if (page.run !== undefined) query = query.where('run', '=', page.run);
  return (await query.execute()).map(({ position, body }) => ({ position, text: body }));
}

export async function lastPosition(db: Db): Promise<number> {
  const [row] = await selectLast(db, {});
  return Number(row?.last ?? 0);
}

const selectLast = statement([], (db) =>
  tables(db)
    .selectFrom('lineage_event')
    .select((e) => e.fn.max('position').as('last')),
);

/** How far the events were sent, and how that goes. */
export interface Delivery {
  /** Of the last event that was sent or given up. */
  readonly position: number;
  /** Attempts in a row that failed. */
  readonly failures: number;
  /** No attempt is made before. */
  readonly dueAt: number;
  readonly sent: number;
  readonly refused: number;
  readonly dropped: number;
  readonly answer: string | null;
  readonly answeredAt: number | null;
}

const NOTHING_SENT: Delivery = {
  ...{ position: 0, failures: 0, dueAt: 0, sent: 0, refused: 0, dropped: 0, answer: null, answeredAt: null },
};

export async function findDelivery(db: Db): Promise<Delivery> {
  const row = await tables(db).selectFrom('lineage_delivery').selectAll().where('id', '=', 1).executeTakeFirst();
  if (!row) return NOTHING_SENT;
  const { id: _id, due_at: dueAt, answered_at: answeredAt, ...rest } = row;
  return { ...rest, dueAt, answeredAt };
}

export async function saveDelivery(db: Db, delivery: Delivery): Promise<void> {
  const { dueAt: due_at, answeredAt: answered_at, ...rest } = delivery;
  const row = { ...rest, due_at, answered_at };
  await tables(db)
    .insertInto('lineage_delivery')
    .values({ id: 1, ...row })
    .onConflict((c) => c.column('id').doUpdateSet(row))
    .execute();
}
