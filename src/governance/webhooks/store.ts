import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';
import type { Delivery, Webhook } from './contract.ts';

type Db = Kysely<AnyTables>;

interface WebhookTable {
  id: string;
  name: string;
  description: string | null;
  url: string;
  events: string;
  secret: string | null;
  status: string;
  created_at: number;
  updated_at: number;
}

interface DeliveryTable {
  id: string;
  webhook: string;
  event: string;
  body: string;
  status: string;
  attempts: number;
  due_at: number;
  created_at: number;
  answered_at: number | null;
  answer: string | null;
}

interface Tables {
  readonly webhook: WebhookTable;
  readonly webhook_delivery: DeliveryTable;
}

/** A webhook with what signs its messages, which is never shown. */
export interface StoredWebhook extends Webhook {
  readonly secret: string | null;
}

export interface Cursor {
  readonly at: number;
  readonly id: string;
}

/** Adds a webhook, or replaces the one of its id. */
export async function saveWebhook(db: Db, webhook: StoredWebhook): Promise<void> {
  const { id, name, description, url, secret, status, createdAt: created_at, updatedAt: updated_at } = webhook;
  const row = {
    name,
    description,
    url,
    secret,
    status,
    created_at,
    updated_at,
    events: JSON.stringify(webhook.events),
  };
  await tables(db)
    .insertInto('webhook')
    .values({ id, ...row })
    .onConflict((c) => c.column('id').doUpdateSet(row))
    .execute();
}

export async function findWebhook(db: Db, id: string): Promise<StoredWebhook | undefined> {
  const row = await tables(db).selectFrom('webhook').selectAll().where('id', '=', id).executeTakeFirst();
  return row && fromRow(row);
}

/** Oldest first. */
export async function listWebhooks(
  db: Db,
  page: { after?: Cursor | undefined; limit: number },
): Promise<StoredWebhook[]> {
  const { after, limit } = page;
  let query = tables(db).selectFrom('webhook').selectAll().orderBy('created_at').orderBy('id').limit(limit);
  if (after) query = query.where((e) => e(e.refTuple('created_at', 'id'), '>', e.tuple(after.at, after.id)));
  return (await query.execute()).map(fromRow);
}

export async function countWebhooks(db: Db): Promise<number> {
  const { count } = await tables(db)
    .selectFrom('webhook')
    .select((e) => e.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return Number(count);
}

export async function deleteWebhook(db: Db, id: string): Promise<void> {
  await tables(db).deleteFrom('webhook_delivery').where('webhook', '=', id).execute();
  await tables(db).deleteFrom('webhook').where('id', '=', id).execute();
}

/** Adds deliveries; one whose id is known already is left as it is. */
export async function insertDeliveries(db: Db, deliveries: readonly Delivery[]): Promise<void> {
  if (deliveries.length === 0) return;
  const rows = deliveries.map((delivery) => ({
    id: delivery.id,
    webhook: delivery.webhook,
    event: delivery.event,
    body: delivery.body,
    status: delivery.status,
    attempts: delivery.attempts,
    due_at: delivery.dueAt,
    created_at: delivery.createdAt,
    answered_at: delivery.answeredAt,
    answer: delivery.answer,
  }));
  await tables(db)
    .insertInto('webhook_delivery')
    .values(rows)
    .onConflict((c) => c.column('id').doNothing())
    .execute();
}

export async function findDelivery(db: Db, webhook: string, id: string): Promise<Delivery | undefined> {
  const row = await tables(db)
    .selectFrom('webhook_delivery')
    .selectAll()
    .where('id', '=', id)
    .where('webhook', '=', webhook)
    .executeTakeFirst();
  return row && deliveryOf(row);
}

/** Newest first. */
export async function listDeliveries(
  db: Db,
  webhook: string,
  { after, limit }: { after?: Cursor | undefined; limit: number },
): Promise<Delivery[]> {
  let query = tables(db)
    .selectFrom('webhook_delivery')
    .selectAll()
    .where('webhook', '=', webhook)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit);
  if (after) query = query.where((e) => e(e.refTuple('created_at', 'id'), '<', e.tuple(after.at, after.id)));
  return (await query.execute()).map(deliveryOf);
}

/** What is to be sent by now, longest due first. What waits for a disabled webhook waits until it is active again. */
export async function dueDeliveries(db: Db, now: number, limit: number): Promise<Delivery[]> {
  const rows = await tables(db)
    .selectFrom('webhook_delivery')
    .selectAll()
    .where('status', '=', 'waiting')
    .where('due_at', '<=', now)
    .where('webhook', 'in', (e) => e.selectFrom('webhook').select('id').where('status', '=', 'active'))
    .orderBy('due_at')
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(deliveryOf);
}

/** Sets when a delivery is next due, if it is still due when it was. Tells whether it was: only one sender takes it. */
export async function claimDelivery(db: Db, { id, dueAt }: Delivery, until: number): Promise<boolean> {
  const { numUpdatedRows } = await tables(db)
    .updateTable('webhook_delivery')
    .set((e) => ({ due_at: until, attempts: e('attempts', '+', 1) }))
    .where('id', '=', id)
    .where('status', '=', 'waiting')
    .where('due_at', '=', dueAt)
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

export async function setDelivery(
  db: Db,
  id: string,
  change: Pick<Delivery, 'status' | 'dueAt' | 'answeredAt' | 'answer'>,
): Promise<void> {
  await tables(db)
    .updateTable('webhook_delivery')
    .set({ status: change.status, due_at: change.dueAt, answered_at: change.answeredAt, answer: change.answer })
    .where('id', '=', id)
    .execute();
}

/** Forgets the oldest deliveries of a webhook that have ended, beyond the newest `keep`. */
export async function forgetDeliveries(db: Db, webhook: string, keep: number): Promise<void> {
  const oldest = await tables(db)
    .selectFrom('webhook_delivery')
    .select('created_at')
    .where('webhook', '=', webhook)
    .orderBy('created_at', 'desc')
    .offset(keep)
    .limit(1)
    .executeTakeFirst();
  if (!oldest) return;
  await tables(db)
    .deleteFrom('webhook_delivery')
    .where('webhook', '=', webhook)
    .where('status', '!=', 'waiting')
    .where('created_at', '<=', oldest.created_at)
    .execute();
}

function fromRow(row: WebhookTable): StoredWebhook {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    url: row.url,
    events: JSON.parse(row.events),
    secret: row.secret,
    signed: row.secret !== null,
    status: row.status as Webhook['status'],
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

function deliveryOf(row: DeliveryTable): Delivery {
  return {
    id: row.id,
    webhook: row.webhook,
    event: row.event as Delivery['event'],
    body: row.body,
    status: row.status as Delivery['status'],
    attempts: row.attempts,
    dueAt: row.due_at,
    createdAt: row.created_at,
    answeredAt: row.answered_at,
    answer: row.answer,
  };
}

function tables(db: Db): Kysely<Tables> {
  return db;
}
