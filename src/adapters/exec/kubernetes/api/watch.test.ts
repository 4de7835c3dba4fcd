import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { systemClock } from '#core/clock';
import { seededRandom } from '#core/random';
import { KubernetesApi } from './client.ts';
import type { ReadObject } from './objects.ts';
import { Collection } from './watch.ts';

type Answer = (query: URLSearchParams, response: ServerResponse) => void;

const object = (name: string, resourceVersion: string): ReadObject => ({
  metadata: { name, uid: name, resourceVersion },
});
const list = (resourceVersion: string, items: readonly ReadObject[], more = ''): string =>
  JSON.stringify({ metadata: { resourceVersion, continue: more }, items });
const event = (type: string, body: unknown): string => `${JSON.stringify({ type, object: body })}\n`;
const expired = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };

/** Follows a server that gives these answers one after the other, and tells what it heard until all are asked for. */
async function heardFrom(answers: readonly Answer[]): Promise<{ heard: string[]; asked: string[] }> {
  const heard: string[] = [];
  const asked: string[] = [];
  const over = new AbortController();
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? '', 'http://api').searchParams;
    const answer = answers[asked.length];
    const words = [query.get('watch') ? 'watch' : 'list', query.get('resourceVersion'), query.get('continue')];
    asked.push(words.filter((word) => word !== null).join(' '));
    if (answer) answer(query, response);
    else over.abort();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const access = {
    server: new URL(`http://127.0.0.1:${port}`),
    namespace: 'default',
    credentials: async () => ({}),
  };
  const collection = new Collection({
    api: new KubernetesApi(access, systemClock),
    path: '/api/v1/namespaces/default/pods',
    labelSelector: 'a=b',
    clock: systemClock,
    random: seededRandom(1),
    onObject: ({ metadata }) => heard.push(`${metadata.name} ${metadata.resourceVersion}`),
    onGone: ({ metadata }) => heard.push(`${metadata.name} gone`),
    onListed: (names) => heard.push(`listed ${[...names].join(',')}`),
  });
  await collection.follow(over.signal);
  server.closeAllConnections();
  server.close();
  return { heard, asked };
}

describe('following a collection', () => {
  it('lists page by page, and watches from the version of the list and of bookmarks', async () => {
    const { heard, asked } = await heardFrom([
      (_, response) => void response.end(list('10', [object('a', '3')], 'more')),
      (_, response) => void response.end(list('10', [object('b', '4')])),
      (_, response) => {
        response.write(event('ADDED', object('c', '11')).slice(0, 20));
        response.write(`${event('ADDED', object('c', '11')).slice(20)}${event('MODIFIED', object('a', '12'))}`);
        response.end(`${event('DELETED', object('b', '13'))}${event('BOOKMARK', object('', '40'))}`);
      },
    ]);
    assert.deepEqual(asked, ['list', 'list more', 'watch 10', 'watch 40']);
    assert.deepEqual(heard, ['a 3', 'b 4', 'listed a,b', 'c 11', 'a 12', 'b gone']);
  });

  it('lists again when the server has forgotten the version, and tells what has gone meanwhile', async () => {
    const { heard, asked } = await heardFrom([
      (_, response) => void response.end(list('10', [object('a', '3'), object('b', '4')])),
      (_, response) => void response.end(event('ERROR', expired)),
      (_, response) => void response.end(list('50', [object('b', '45')])),
      (_, response) => void response.writeHead(410).end(JSON.stringify(expired)),
      (_, response) => void response.end(list('60', [])),
    ]);
    assert.deepEqual(asked, ['list', 'watch 10', 'list', 'watch 50', 'list', 'watch 60']);
    assert.deepEqual(heard, ['a 3', 'b 4', 'listed a,b', 'b 45', 'a gone', 'listed b', 'b gone', 'listed ']);
  });

  it('goes on from where it was when a watch breaks', async () => {
    const { heard, asked } = await heardFrom([
      (_, response) => void response.writeHead(503, { 'retry-after': '0' }).end('busy'),
      (_, response) => void response.end(list('10', [])),
      (_, response) => {
        response.write(event('ADDED', object('a', '11')), () => response.destroy());
      },
      (_, response) => void response.end(event('MODIFIED', object('a', '12'))),
    ]);
    assert.deepEqual(asked, ['list', 'list', 'watch 10', 'watch 11', 'watch 12']);
    assert.deepEqual(heard, ['listed ', 'a 11', 'a 12']);
  });
});
