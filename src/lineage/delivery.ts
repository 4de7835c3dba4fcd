import { backoffMs } from '#core/backoff';
import { messageOf } from '#core/errors';
import type { System } from '#core/system';
import type { Database } from '#platform/db';
import type { Job } from '#platform/domain';
import type { Logger, Metrics } from '#platform/observe';
import type { Notifier } from '#ports/notifier';
import type { DeliveryView } from './contract.ts';
import { type Delivery, eventsAfter, findDelivery, lastPosition, type StoredEvent, saveDelivery } from './store.ts';

const EVERY_MS = 1_000;
const TIMEOUT_MS = 10_000;
/** Events read, and sent one after the other, before the place is written down. A crash sends as many again at most. */
const BATCH = 50;
const PAUSE = { baseMs: 1_000, capMs: 300_000 } as const;
/** Events that wait for an endpoint that does not take them; past this the oldest are given up. */
const WAITING_MAX = 100_000;
const ANSWER_LENGTH = 500;
/** Statuses with which an endpoint refuses one event for what it is; sending it again could not help. */
const REFUSALS = new Set([400, 409, 413, 415, 422]);

export interface DeliveryDeps {
  readonly db: Database;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly notifier: Notifier;
  /** Base URL of an OpenLineage backend, or the whole address that it takes events at. Empty sends nothing. */
  readonly endpoint: string;
  readonly token: string;
  readonly waitingMax?: number;
}

/**
 * Sends the events in their order, each at least once: the place is kept in the database, and a crash sends again what
 * came after it. An endpoint that does not answer well is asked again after a pause that grows.
 */
export function lineageDelivery(deps: DeliveryDeps): { readonly jobs: readonly Job[]; view(): Promise<DeliveryView> } {
  const { db, endpoint } = deps;
  const counter = deps.metrics.counter(
    'kedge_lineage_events_total',
    'OpenLineage events by what became of them: sent, refused by the endpoint, dropped because too many waited.',
    ['outcome'],
  );
  const url = endpoint === '' ? undefined : addressOf(endpoint);
  const count = (before: Delivery, after: Delivery): void => {
    for (const outcome of ['sent', 'refused', 'dropped'] as const) {
      if (after[outcome] > before[outcome]) counter.inc({ outcome }, after[outcome] - before[outcome]);
    }
  };
  const job: Job = {
    name: 'lineage.delivery',
    everyMs: EVERY_MS,
    async run(signal) {
      if (url === undefined) return;
      for (let isMore = true; isMore && !signal.aborted; ) {
        const stored = await findDelivery(db.reader);
        const before = await bounded(deps, stored);
        const isDue = deps.system.clock.now() >= before.dueAt;
        const events = isDue ? await eventsAfter(db.reader, { after: before.position, limit: BATCH }) : [];
        const after = await sendAll(deps, url, { before, events, signal });
        if (after !== stored) await db.maintain((tx) => saveDelivery(tx.db, after));
        count(stored, after);
        isMore = events.length === BATCH && after.failures === 0;
      }
    },
  };
  return {
    jobs: [job],
    async view() {
      const delivery = await findDelivery(db.reader);
      const { position, dueAt, ...rest } = delivery;
      const waiting = (await lastPosition(db.reader)) - position;
      return { endpoint: url ?? null, waiting, ...rest, nextAt: delivery.failures > 0 ? dueAt : null };
    },
  };
}

/** `https://host` stands for the path that OpenLineage's clients use there. */
export function addressOf(endpoint: string): string {
  const url = new URL(endpoint);
  if (url.pathname === '/' || url.pathname === '') url.pathname = '/api/v1/lineage';
  return url.href;
}

/** Gives up the oldest of more events than may wait. */
async function bounded({ db, logger, waitingMax = WAITING_MAX }: DeliveryDeps, before: Delivery): Promise<Delivery> {
  const tooMany = (await lastPosition(db.reader)) - before.position - waitingMax;
  if (tooMany <= 0) return before;
  logger.warn({ events: tooMany }, 'too many OpenLineage events wait for their endpoint: the oldest are not sent');
  return { ...before, position: before.position + tooMany, dropped: before.dropped + tooMany };
}

async function sendAll(
  deps: DeliveryDeps,
  url: string,
  {
    before,
    events,
    signal,
  }: { readonly before: Delivery; readonly events: readonly StoredEvent[]; readonly signal: AbortSignal },
): Promise<Delivery> {
  let delivery = before;
  for (const event of events) {
    if (signal.aborted) return delivery;
    delivery = await send(deps, url, { delivery, event });
    if (delivery.failures > 0) return delivery;
  }
  return delivery;
}

async function send(
  { notifier, system, token, logger }: DeliveryDeps,
  url: string,
  { delivery, event }: { readonly delivery: Delivery; readonly event: StoredEvent },
): Promise<Delivery> {
  const headers = {
    'content-type': 'application/json',
    ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
  };
  const reply = await notifier
    .post({ url, headers, body: event.text, timeoutMs: TIMEOUT_MS })
    .catch((error: unknown) => ({ status: 0, body: messageOf(error) }));
  const said = `${reply.status === 0 ? '' : `${reply.status} `}${reply.body}`.trim().replaceAll('\0', '');
  const answered = { answer: said.slice(0, ANSWER_LENGTH), answeredAt: system.clock.now() };
  const { position } = event;
  if (reply.status >= 200 && reply.status < 300) {
    return { ...delivery, ...answered, position, failures: 0, dueAt: 0, sent: delivery.sent + 1 };
  }
  if (REFUSALS.has(reply.status)) {
    logger.warn(
      { position, answer: answered.answer },
      'the OpenLineage endpoint refuses an event; it is not sent again',
    );
    return { ...delivery, ...answered, position, failures: 0, dueAt: 0, refused: delivery.refused + 1 };
  }
  const pauseMs = Math.ceil(backoffMs(delivery.failures, system.random, PAUSE));
  return { ...delivery, ...answered, failures: delivery.failures + 1, dueAt: system.clock.now() + pauseMs };
}
