import type { Transaction } from 'kysely';
import type { AnyTables } from '#ports/sql';
import type { EventDraft } from './database.ts';
import { lockHead } from './head.ts';

export async function appendEvents(
  trx: Transaction<AnyTables>,
  time: number,
  events: readonly EventDraft[],
): Promise<void> {
  const { event_seq: before } = await lockHead(trx);
  const rows = events.map((event, i) => ({
    seq: before + 1 + i,
    time,
    type: event.type,
    subject: event.subject,
    data: JSON.stringify(event.data),
  }));
  await trx.insertInto('event').values(rows).execute();
  await trx
    .updateTable('log_head')
    .set({ event_seq: before + rows.length })
    .where('id', '=', 1)
    .execute();
}
