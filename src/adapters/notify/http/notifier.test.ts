import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { KedgeError } from '#core/errors';
import { REPLY_BYTES_MAX } from '#ports/notifier';
import { openHttpNotifier } from './index.ts';
import { isPublicAddress } from './public-address.ts';

const inside = openHttpNotifier({ insideToo: true });
const outside = openHttpNotifier();
const fails = (code: string, text: RegExp) => (error: unknown) =>
  error instanceof KedgeError && error.code === code && text.test(error.message);

async function serving(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const message = (url: string, timeoutMs = 5_000) => ({ url, headers: { 'x-test': 'a' }, body: '{"a":1}', timeoutMs });

test('a message arrives with its headers and body, and what is answered comes back, whatever its status', async (t) => {
  const port = await serving(t, async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    response.writeHead(418).end(`${request.method} ${request.headers['x-test']} ${body}`);
  });

  assert.deepEqual(await inside.post(message(`http://127.0.0.1:${port}/`)), { status: 418, body: 'POST a {"a":1}' });
});

test('addresses inside are refused, by number, by name and in all the ways to write them', async (t) => {
  let asked = 0;
  const port = await serving(t, (_, response) => {
    asked += 1;
    response.end();
  });
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '0.0.0.0', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]']) {
    const url = `http://${host}:${port}/`;
    await assert.rejects(outside.check(url), fails('notify/invalid-target', /not a public address/), host);
    await assert.rejects(outside.post(message(url)), fails('notify/invalid-target', /not a public address/), host);
  }
  assert.equal(asked, 0);
});

test('a redirect is an answer and is not followed', async (t) => {
  let asked = 0;
  const port = await serving(t, (request, response) => {
    asked += 1;
    response.writeHead(307, { location: `http://127.0.0.1:${request.socket.localPort}/elsewhere` }).end();
  });

  assert.equal((await inside.post(message(`http://127.0.0.1:${port}/`))).status, 307);
  assert.equal(asked, 1);
});

test('an answer without end is cut off', async (t) => {
  const port = await serving(t, (_, response) => {
    const more = () => {
      while (response.write('x'.repeat(10_000)));
    };
    response.on('drain', more);
    more();
  });

  assert.equal((await inside.post(message(`http://127.0.0.1:${port}/`))).body.length, REPLY_BYTES_MAX);
});

test('silence ends after the time that the message has, and a closed door at once', async (t) => {
  const port = await serving(t, () => {});
  const late = inside.post(message(`http://127.0.0.1:${port}/`, 50));
  await assert.rejects(late, fails('notify/not-delivered', /no answer within 50 ms/));

  await assert.rejects(inside.post(message('http://127.0.0.1:1/')), fails('notify/not-delivered', /ECONNREFUSED/));
});

test('an address is public unless a registry of special ones says otherwise', () => {
  const hidden = [
    ...['10.1.2.3', '172.31.255.255', '192.168.0.1', '169.254.169.254', '100.64.0.1', '224.0.0.1', '255.255.255.255'],
    ...['::', '::1', 'fe80::1', 'fc00::1', 'ff02::1', '64:ff9b::7f00:1', '2002:7f00:1::', '2001:db8::1'],
  ];
  const open = ['1.1.1.1', '172.32.0.1', '192.169.0.1', '2606:4700:4700::1111', '2a00:1450:4001::1'];

  assert.deepEqual(hidden.filter(isPublicAddress), []);
  assert.deepEqual(open.filter(isPublicAddress), open);
});
