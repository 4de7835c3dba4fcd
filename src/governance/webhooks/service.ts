import type { Page } from '#platform/contract';
import type { Context } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import type { Notifier } from '#ports/notifier';
import { governanceErrors } from '../errors.ts';
import { type Delivery, WEBHOOK_LIMITS, type Webhook, type WebhookChange, type WebhookDraft } from './contract.ts';
import type { HappeningName } from './happenings.ts';
import { bodyOf, headersOf } from './message.ts';
import * as store from './store.ts';

export interface WebhookDeps extends DomainDeps {
  readonly notifier: Notifier;
}

interface PageQuery {
  readonly after?: string | undefined;
  readonly limit: number;
}

/** How long the receiver of a test has. */
const TEST_TIMEOUT_MS = 10_000;

export class WebhookService {
  readonly #deps: WebhookDeps;

  constructor(deps: WebhookDeps) {
    this.#deps = deps;
  }

  /** Errors: `notify/invalid-target` for a URL to which nothing may be sent, `governance/limit`. */
  async create(context: Context, draft: WebhookDraft): Promise<Webhook> {
    const { db, notifier, system } = this.#deps;
    await notifier.check(draft.url);
    return db.transact(context, async (tx) => {
      if ((await store.countWebhooks(tx.db)) >= WEBHOOK_LIMITS.webhooks) {
        throw governanceErrors.limit(`there are ${WEBHOOK_LIMITS.webhooks} webhooks, which is the limit`);
      }
      const id = system.ids.next('whk');
      const webhook = { ...draft, id, signed: draft.secret !== null, createdAt: tx.now, updatedAt: tx.now };
      await store.saveWebhook(tx.db, webhook);
      const { name, url, events, status } = draft;
      tx.audit(`webhook/${id}`, { name, url, events, status, signed: webhook.signed });
      return shown(webhook);
    });
  }

  async list(query: PageQuery): Promise<Page<Webhook>> {
    const after = cursorOf(query.after);
    const items = await store.listWebhooks(this.#deps.db.reader, { after, limit: query.limit + 1 });
    return page(items.map(shown), query.limit);
  }

  async get(id: string): Promise<Webhook> {
    return shown(await this.#require(id));
  }

  /** What is not named stays as it is. A secret of null takes the signature away. */
  async update(context: Context, id: string, change: WebhookChange): Promise<Webhook> {
    if (change.url !== undefined) await this.#deps.notifier.check(change.url);
    return this.#deps.db.transact(context, async (tx) => {
      const known = await requireWebhook(tx.db, id);
      const set = defined(change);
      const webhook: store.StoredWebhook = { ...known, ...set, updatedAt: tx.now };
      await store.saveWebhook(tx.db, webhook);
      const { secret, ...told } = set;
      tx.audit(`webhook/${id}`, { ...told, ...(secret === undefined ? {} : { signed: secret !== null }) });
      return shown({ ...webhook, signed: webhook.secret !== null });
    });
  }

  async delete(context: Context, id: string): Promise<void> {
    await this.#deps.db.transact(context, async (tx) => {
      const { name } = await requireWebhook(tx.db, id);
      await store.deleteWebhook(tx.db, id);
      tx.audit(`webhook/${id}`, { name });
    });
  }

  /** Newest first. */
  async deliveries(webhook: string, query: PageQuery): Promise<Page<Delivery>> {
    await this.#require(webhook);
    const page_ = { after: cursorOf(query.after), limit: query.limit + 1 };
    return page(await store.listDeliveries(this.#deps.db.reader, webhook, page_), query.limit);
  }

  /** Sends a delivery once more under its id, so that a receiver that has taken it knows it again. */
  async redeliver(context: Context, webhook: string, id: string): Promise<Delivery> {
    return this.#deps.db.transact(context, async (tx) => {
      await requireWebhook(tx.db, webhook);
      const known = await store.findDelivery(tx.db, webhook, id);
      if (!known) throw governanceErrors['delivery-not-found'](`webhook '${webhook}' has no delivery '${id}'`);
      const change = { status: 'waiting', dueAt: tx.now, answeredAt: known.answeredAt, answer: known.answer } as const;
      await store.setDelivery(tx.db, id, change);
      tx.audit(`webhook/${webhook}`, { delivery: id });
      return { ...known, ...change };
    });
  }

  /** Sends one example at once, past the delivery log. A receiver that is not there is an answer too. */
  async test(
    id: string,
    name?: HappeningName,
  ): Promise<{ readonly success: boolean; readonly status?: number; readonly body?: string; readonly error?: string }> {
    const { notifier, system } = this.#deps;
    const { url, secret, events } = await this.#require(id);
    const example = { name: name ?? (events[0] as HappeningName), data: { name: 'example_model', version: '1' } };
    const at = system.clock.now();
    const message = { id: system.ids.next('whd'), body: bodyOf(example, at) };
    try {
      const headers = headersOf(message, { secret, at });
      const { status, body } = await notifier.post({ url, headers, body: message.body, timeoutMs: TEST_TIMEOUT_MS });
      return { success: status >= 200 && status < 300, status, body };
    } catch (error) {
      return { success: false, error: (error as Error).message };
    }
  }

  #require(id: string): Promise<store.StoredWebhook> {
    return requireWebhook(this.#deps.db.reader, id);
  }
}

async function requireWebhook(db: Parameters<typeof store.findWebhook>[0], id: string): Promise<store.StoredWebhook> {
  const webhook = await store.findWebhook(db, id);
  if (!webhook) throw governanceErrors['webhook-not-found'](`there is no webhook '${id}'`);
  return webhook;
}

function shown({ secret: _, ...webhook }: store.StoredWebhook): Webhook {
  return webhook;
}

function page<T extends { readonly createdAt: number; readonly id: string }>(
  items: readonly T[],
  limit: number,
): Page<T> {
  const last = items[limit - 1];
  if (items.length <= limit || !last) return { items };
  return { items: items.slice(0, limit), next: `${last.createdAt}:${last.id}` };
}

function cursorOf(after: string | undefined): store.Cursor | undefined {
  if (after === undefined) return undefined;
  const match = /^(\d{1,15}):([\w-]{1,100})$/.exec(after);
  if (!match) throw governanceErrors['invalid-cursor'](`'${after.slice(0, 50)}' is no page that was answered`);
  return { at: Number(match[1]), id: match[2] as string };
}

/** Without the fields that a change does not name. */
function defined<T extends object>(change: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const named = Object.entries(change).filter(([, value]) => value !== undefined);
  return Object.fromEntries(named) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
