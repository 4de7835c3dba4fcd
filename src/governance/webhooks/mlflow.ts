import type { ForeignRoute, ProtocolGroup } from '#platform/http';
import { mlflowErrors, mlflowProtocol, mlflowRoute, wire } from '#tracking/mlflow';
import { type Webhook, webhookChange, webhookDraft } from './contract.ts';
import { HAPPENINGS, type HappeningName } from './happenings.ts';
import { partsOf } from './message.ts';
import type { WebhookService } from './service.ts';

const permission = 'governance:webhooks';
const event = wire.message({ entity: wire.string(100), action: wire.string(100) });
const fields = {
  description: wire.string(2_000).optional(),
  secret: wire.string(500).optional(),
  status: wire.oneOf(['ACTIVE', 'DISABLED']).optional(),
};

const of = { webhook_id: wire.required(100) };

/** MLflow's routes for webhooks. Its client knows only MLflow's own events; others are left out of what it is sent. */
export function mlflowWebhooks(service: WebhookService): ProtocolGroup {
  return { protocol: mlflowProtocol, routes: [...readRoutes(service), ...writeRoutes(service)] };
}

function readRoutes(service: WebhookService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'webhooks.list',
      major: 2,
      method: 'GET',
      path: 'webhooks',
      permission,
      reads: true,
      input: { max_results: wire.int64({ min: 1, max: 1_000 }).optional(), page_token: wire.string(500).optional() },
      handler: async ({ max_results, page_token }) => {
        const page = await service.list({ limit: max_results ?? 100, after: page_token || undefined });
        return { webhooks: page.items.map(sent), next_page_token: page.next };
      },
    }),
    mlflowRoute({
      name: 'webhooks.get',
      major: 2,
      method: 'GET',
      path: 'webhooks/:webhook_id',
      permission,
      reads: true,
      input: of,
      handler: async ({ webhook_id }) => ({ webhook: sent(await service.get(webhook_id)) }),
    }),
  ];
}

function writeRoutes(service: WebhookService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'webhooks.create',
      major: 2,
      method: 'POST',
      path: 'webhooks',
      permission,
      audit: 'webhook.create',
      input: { name: wire.required(100), url: wire.required(2_000), events: wire.list(event, 100), ...fields },
      handler: async ({ events, status, ...rest }, ctx) => {
        const draft = { ...rest, events: events.map(nameOf), status: status?.toLowerCase() };
        return { webhook: sent(await service.create(ctx, fitted(webhookDraft, draft))) };
      },
    }),
    mlflowRoute({
      name: 'webhooks.update',
      major: 2,
      method: 'PATCH',
      path: 'webhooks/:webhook_id',
      permission,
      audit: 'webhook.update',
      input: {
        ...of,
        ...fields,
        name: wire.string(100).optional(),
        url: wire.string(2_000).optional(),
        events: wire.list(event, 100).optional(),
      },
      handler: async ({ webhook_id, events, status, ...rest }, ctx) => {
        const change = {
          ...rest,
          events: events?.length ? events.map(nameOf) : undefined,
          status: status?.toLowerCase(),
        };
        return { webhook: sent(await service.update(ctx, webhook_id, fitted(webhookChange, change))) };
      },
    }),
    mlflowRoute({
      name: 'webhooks.delete',
      major: 2,
      method: 'DELETE',
      path: 'webhooks/:webhook_id',
      permission,
      audit: 'webhook.delete',
      input: of,
      handler: async ({ webhook_id }, ctx) => {
        await service.delete(ctx, webhook_id);
        return {};
      },
    }),
    mlflowRoute({
      name: 'webhooks.test',
      major: 2,
      method: 'POST',
      path: 'webhooks/:webhook_id/test',
      permission,
      audit: 'webhook.test',
      input: { ...of, event: event.optional() },
      handler: async ({ webhook_id, event: asked }) => {
        const { success, status, body, error } = await service.test(webhook_id, asked && nameOf(asked));
        return { result: { success, response_status: status, response_body: body, error_message: error } };
      },
    }),
  ];
}

function sent(webhook: Webhook) {
  return {
    webhook_id: webhook.id,
    name: webhook.name,
    description: webhook.description ?? undefined,
    url: webhook.url,
    events: webhook.events
      .filter((name) => MLFLOW_EVENTS.has(name))
      .map((name) => {
        const [entity, action] = partsOf(name);
        return { entity: entity.toUpperCase(), action: action.toUpperCase() };
      }),
    status: webhook.status.toUpperCase(),
    creation_timestamp: webhook.createdAt,
    last_updated_timestamp: webhook.updatedAt,
  };
}

/** What MLflow's enumerations can say. */
const MLFLOW_EVENTS: ReadonlySet<HappeningName> = new Set(
  HAPPENINGS.slice(0, HAPPENINGS.indexOf('registered_model.updated')),
);

function nameOf({ entity, action }: { readonly entity: string; readonly action: string }): HappeningName {
  const name = `${entity}.${action}`.toLowerCase();
  const known = HAPPENINGS.find((one) => one === name);
  if (!known) throw mlflowErrors.INVALID_PARAMETER_VALUE(`There is no webhook event '${name.slice(0, 200)}'.`);
  return known;
}

/** The input under the rules of the platform's own routes, so that both ways in have the same limits. */
function fitted<Out>(
  schema: {
    safeParse(value: unknown): {
      data?: Out;
      error?: { issues: readonly { path: readonly PropertyKey[]; message: string }[] };
    };
  },
  value: unknown,
): Out {
  const defined = Object.fromEntries(Object.entries(value as object).filter(([, field]) => field !== undefined));
  const { data, error } = schema.safeParse(defined);
  if (data !== undefined) return data;
  const issue = error?.issues[0];
  throw mlflowErrors.INVALID_PARAMETER_VALUE(`Webhook ${issue?.path.map(String).join('.')}: ${issue?.message}.`);
}
