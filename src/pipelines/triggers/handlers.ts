import { eventTypes } from '#platform/events';
import type { ForeignProtocol, ProtocolGroup, RouteGroup } from '#platform/http';
import { routeGroup } from '#platform/http';
import { triggersContract } from './contract.ts';
import type { Triggers } from './service.ts';
import { fieldsOf } from './where.ts';

const BODY_BYTES_MAX = 256 * 1024;

export function triggerHandlers(triggers: Triggers): RouteGroup {
  return routeGroup(triggersContract, {
    listTriggers: async () => ({ items: await triggers.list() }),
    listTriggerEvents: async () => ({
      items: [...eventTypes()].map(([type, schema]) => ({ type, fields: fieldsOf(schema) })),
    }),
    listFirings: ({ params, query }) => triggers.firings(params.trigger, query),
    makeTriggerSecret: ({ params }, ctx) => triggers.makeSecret(ctx, params.trigger),
  });
}

/** Signed requests from outside. They bring no credentials of Kedge: the signature is what lets them in. */
const hooks: ForeignProtocol = {
  name: 'hooks',
  prefixes: ['/hooks'],
  answerError: ({ status, code, message }) => ({
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code, message }),
  }),
};

export function triggerWebhooks(triggers: Triggers): ProtocolGroup {
  return {
    protocol: hooks,
    routes: [
      {
        name: 'deliverToTrigger',
        method: 'POST',
        paths: ['/hooks/triggers/:trigger'],
        permission: 'public',
        takes: 'bytes',
        bodyBytesMax: BODY_BYTES_MAX,
        audit: 'trigger.fire',
        async handler({ params, headers, bytes }) {
          const chunks: Uint8Array[] = [];
          for await (const chunk of bytes) chunks.push(chunk);
          const header = (name: string): string => String(headers[name] ?? '');
          const { repeated } = await triggers.deliver(params['trigger'] ?? '', {
            ...{ id: header('webhook-id'), timestamp: header('webhook-timestamp') },
            ...{ signature: header('webhook-signature'), body: Buffer.concat(chunks) },
          });
          const body = JSON.stringify({ accepted: true, repeated });
          return { status: 202, headers: { 'content-type': 'application/json' }, body };
        },
      },
    ],
  };
}
