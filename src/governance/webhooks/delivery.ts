import { backoffMs } from '#core/backoff';
import { KedgeError, messageOf } from '#core/errors';
import type { Job } from '#platform/domain';
import type { Consumer, PlatformEvent } from '#platform/events';
import { requireModel, requireVersion } from '#registry';
import { type Delivery, WEBHOOK_LIMITS } from './contract.ts';
import { aboutOf, type Facts, happeningsOf, SOURCES } from './happenings.ts';
import { bodyOf, headersOf } from './message.ts';
import type { WebhookDeps } from './service.ts';
import * as store from './store.ts';

/** A receiver that does not answer within this is asked again later. */
const TIMEOUT_MS = 10_000;
/** Who was taken down in the middle of a delivery leaves it to be taken up after this. */
const CLAIM_MS = 2 * TIMEOUT_MS;
/** With the pauses below, the last attempt is about an hour after the first. */
const ATTEMPTS_MAX = 12;
const PAUSE = { baseMs: 1_000, capMs: 900_000 } as const;
const AT_ONCE = 20;
const ANSWER_LENGTH = 500;
const EVERY_MS = 1_000;

/** Turns events into deliveries, in the transaction that moves its cursor: each event becomes its deliveries once. */
export function deliveryConsumer(deps: WebhookDeps): Consumer {
  return {
    name: 'governance.webhooks',
    types: SOURCES,
    async handle(tx, event) {
      const webhooks = await store.listWebhooks(tx.db, { limit: WEBHOOK_LIMITS.webhooks });
      const active = webhooks.filter(({ status }) => status === 'active');
      if (active.length === 0) return;
      const happenings = happeningsOf(event, await factsOf(tx.db, event));
      const deliveries = active.flatMap((webhook) =>
        happenings
          .filter(({ name }) => webhook.events.includes(name))
          .map(
            (happening): Delivery => ({
              id: deps.system.ids.next('whd'),
              webhook: webhook.id,
              event: happening.name,
              body: bodyOf(happening, event.time),
              status: 'waiting',
              attempts: 0,
              dueAt: tx.now,
              createdAt: tx.now,
              answeredAt: null,
              answer: null,
            }),
          ),
      );
      await store.insertDeliveries(tx.db, deliveries);
    },
  };
}

/** What the registry says by now. A model that is gone by then, by renaming, is told of with what the event has. */
async function factsOf(db: Parameters<typeof requireModel>[0], event: PlatformEvent): Promise<Facts> {
  const { model: name, version: number } = aboutOf(event);
  const known = await requireModel(db, name).catch(absent);
  const prompt = known?.tags['mlflow.prompt.is_prompt'] === 'true';
  if (number === undefined) return { prompt, description: known?.description ?? null, tags: known?.tags ?? {} };
  const version = await requireVersion(db, { model: name, version: number }).catch(absent);
  return {
    prompt,
    description: version?.description ?? null,
    tags: version?.tags ?? {},
    version: version && {
      source: version.source ?? '',
      runId: version.runId,
      text: version.tags['mlflow.prompt.text'] ?? null,
    },
  };
}

/** Only what the registry does not have counts as absent. Any other failure leaves the event to be handled again. */
function absent(error: unknown): undefined {
  if (error instanceof KedgeError && error.status === 404) return undefined;
  throw error;
}

/** Sends what is due, at least once: a receiver tells repetitions by the delivery's id. */
export function deliveryJob(deps: WebhookDeps): Job {
  return {
    name: 'governance.webhook-deliveries',
    everyMs: EVERY_MS,
    async run(signal) {
      const { db, system } = deps;
      for (;;) {
        const due = await store.dueDeliveries(db.reader, system.clock.now(), AT_ONCE);
        if (due.length === 0 || signal.aborted) return;
        await Promise.all(due.map((delivery) => attempt(deps, delivery)));
      }
    },
  };
}

async function attempt(deps: WebhookDeps, delivery: Delivery): Promise<void> {
  const { db, system, notifier } = deps;
  const at = system.clock.now();
  const webhook = await store.findWebhook(db.reader, delivery.webhook);
  if (webhook?.status !== 'active') return;
  if (!(await db.maintain((tx) => store.claimDelivery(tx.db, delivery, at + CLAIM_MS)))) return;
  let answer: string;
  let delivered = false;
  try {
    const headers = headersOf(delivery, { secret: webhook.secret, at });
    const reply = await notifier.post({ url: webhook.url, headers, body: delivery.body, timeoutMs: TIMEOUT_MS });
    delivered = reply.status >= 200 && reply.status < 300;
    answer = `${reply.status} ${reply.body}`.slice(0, ANSWER_LENGTH);
  } catch (error) {
    answer = messageOf(error).slice(0, ANSWER_LENGTH);
  }
  const attempts = delivery.attempts + 1;
  const status = delivered ? 'delivered' : attempts >= ATTEMPTS_MAX ? 'failed' : 'waiting';
  await db.maintain(async (tx) => {
    const dueAt = status === 'waiting' ? tx.now + Math.ceil(backoffMs(attempts, system.random, PAUSE)) : delivery.dueAt;
    await store.setDelivery(tx.db, delivery.id, {
      status,
      dueAt,
      answeredAt: tx.now,
      answer: answer.replaceAll('\0', ''),
    });
    await store.forgetDeliveries(tx.db, webhook.id, WEBHOOK_LIMITS.deliveriesKept);
  });
}
