import type { Database } from '#platform/db';
import type { ForeignProtocol, ProtocolGroup } from '#platform/http';
import { eventsAfter } from './store.ts';

const PREFIX = '/api/v1/openlineage';
const PAGE = 500;

const protocol: ForeignProtocol = {
  name: 'openlineage',
  prefixes: [PREFIX],
  answerError: ({ code, message }) => ({
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code, message }),
  }),
};

/** The events as they are sent, one a line: of one run, or all of them. */
export function lineageProtocol({ reader }: Pick<Database, 'reader'>): ProtocolGroup {
  const headers = { 'content-type': 'application/x-ndjson' };
  return {
    protocol,
    routes: [
      {
        name: 'openlineage.run',
        method: 'GET',
        paths: [`${PREFIX}/runs/:run`],
        permission: 'pipelines:read',
        reads: true,
        handler: async ({ params }) => ({ headers, body: lines(reader, params['run']) }),
      },
      {
        name: 'openlineage.events',
        method: 'GET',
        paths: [`${PREFIX}/events`],
        permission: 'pipelines:read',
        reads: true,
        handler: async () => ({ headers, body: lines(reader) }),
      },
    ],
  };
}

async function* lines(reader: Database['reader'], run?: string): AsyncGenerator<Uint8Array> {
  for (let after = 0; ; ) {
    const events = await eventsAfter(reader, { run, after, limit: PAGE });
    if (events.length > 0) yield Buffer.from(events.map(({ text }) => `${text}\n`).join(''));
    const last = events.at(-1);
    if (!last || events.length < PAGE) return;
    after = last.position;
  }
}
