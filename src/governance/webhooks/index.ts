import type { DomainParts } from '#platform/domain';
import { type RouteGroup, routeGroup } from '#platform/http';
import { webhookContract } from './contract.ts';
import { deliveryConsumer, deliveryJob } from './delivery.ts';
import { mlflowWebhooks } from './mlflow.ts';
import { type WebhookDeps, WebhookService } from './service.ts';

export { webhookMigrations } from './migrations.ts';
export type { WebhookDeps } from './service.ts';

/** Webhooks: others are told over HTTP what happens to models, at least once, signed as MLflow signs. */
export function createWebhooks(deps: WebhookDeps): { readonly parts: DomainParts } {
  const service = new WebhookService(deps);
  return {
    parts: {
      routes: [handlers(service)],
      protocols: [mlflowWebhooks(service)],
      consumers: [deliveryConsumer(deps)],
      jobs: [deliveryJob(deps)],
    },
  };
}

function handlers(service: WebhookService): RouteGroup {
  return routeGroup(webhookContract, {
    listWebhooks: async ({ query }) => sent(await service.list(query)),
    createWebhook: ({ body }, ctx) => service.create(ctx, body),
    getWebhook: ({ params }) => service.get(params.webhook),
    updateWebhook: ({ params, body }, ctx) => service.update(ctx, params.webhook, body),
    deleteWebhook: async ({ params }, ctx) => {
      await service.delete(ctx, params.webhook);
      return {};
    },
    listDeliveries: async ({ params, query }) => sent(await service.deliveries(params.webhook, query)),
    redeliver: ({ params }, ctx) => service.redeliver(ctx, params.webhook, params.delivery),
  });
}

function sent<T>(page: { readonly items: readonly T[]; readonly next?: string | undefined }) {
  return { items: [...page.items], next: page.next };
}
