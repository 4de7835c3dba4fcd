import type { Kysely } from 'kysely';
import { type PublishedEvent, statement, type Tx } from '#platform/db';
import type { AnyTables } from '#ports/sql';

export type PlatformEvent = PublishedEvent;

/** Events after `after`, oldest first. */
export async function eventsAfter(db: Kysely<AnyTables>, after: number, limit: number): Promise<PlatformEvent[]> {
  return (await selectAfter(db, { after, limit })).map(fromRow);
}

const selectAfter = statement(
  ['after', 'limit'],
  (db, { after, limit }: { readonly after: number; readonly limit: number }) =>
    db.selectFrom('event').selectAll().where('seq', '>', after).orderBy('seq').limit(limit),
);

/** The newest events, newest first, optionally of one subject or of types with a prefix. */
export async function recentEvents(
  db: Kysely<AnyTables>,
  filter: { readonly subject?: string | undefined; readonly before?: number | undefined; readonly limit: number },
): Promise<PlatformEvent[]> {
  let query = db.selectFrom('event').selectAll().orderBy('seq', 'desc').limit(filter.limit);
  if (filter.subject !== undefined) query = query.where('subject', '=', filter.subject);
  if (filter.before !== undefined) query = query.where('seq', '<', filter.before);
  return (await query.execute()).map(fromRow);
}

export async function lastSeq(db: Kysely<AnyTables>): Promise<number> {
  const head = await db.selectFrom('log_head').select('event_seq').where('id', '=', 1).executeTakeFirstOrThrow();
  return head['event_seq'];
}

export async function cursorOf(db: Kysely<AnyTables>, consumer: string): Promise<number> {
  const [row] = await selectCursor(db, { consumer });
  return row ? row['seq'] : 0;
}

const selectCursor = statement(['consumer'], (db, { consumer }: { readonly consumer: string }) =>
  db.selectFrom('event_cursor').select('seq').where('consumer', '=', consumer),
);

export async function allCursors(db: Kysely<AnyTables>): Promise<ReadonlyMap<string, number>> {
  const rows = await db.selectFrom('event_cursor').selectAll().execute();
  return new Map(rows.map((row) => [row['consumer'], row['seq']]));
}

/** Moves a consumer's cursor forward to `seq`; one that is already further stays where it is. */
export async function saveCursor(db: Tx['db'], consumer: string, seq: number): Promise<void> {
  await upsertCursor(db, { consumer, seq });
}

const upsertCursor = statement(
  ['consumer', 'seq'],
  (db, { consumer, seq }: { readonly consumer: string; readonly seq: number }) =>
    db
      .insertInto('event_cursor')
      .values({ consumer, seq })
      .onConflict((c) => c.column('consumer').doUpdateSet({ seq }).where('event_cursor.seq', '<', seq)),
);

function fromRow(row: Record<string, unknown>): PlatformEvent {
  return {
    seq: row['seq'] as number,
    time: row['time'] as number,
    type: row['type'] as string,
    subject: row['subject'] as string,
    data: JSON.parse(row['data'] as string),
  };
}
