import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { type KnownHeads, readHead as read } from './read-head.ts';

/** Twice, since a head that was read before is known the second time. */
function readHead(bytes: Buffer): ReturnType<typeof read> {
  const known: KnownHeads = new Map();
  const head = read(bytes, known);
  assert.deepEqual(read(bytes, known), head);
  return head;
}

const PLAIN = 'POST /v1/endpoints/a/predict?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}';

test('a plain head is read with the length of its body', () => {
  const head = readHead(Buffer.from(PLAIN));
  assert.deepEqual(head, {
    method: 'POST',
    url: '/v1/endpoints/a/predict?x=1',
    headers: { host: 'h', 'content-length': '2' },
    bytes: PLAIN.length - 2,
    bodyBytes: 2,
  });
});

test('what may still become a plain head is incomplete, in whatever place it is cut', () => {
  for (let length = 1; length < PLAIN.length - 2; length++) {
    assert.equal(readHead(Buffer.from(PLAIN.slice(0, length))), 'incomplete', PLAIN.slice(0, length));
  }
});

test('whatever is framed otherwise, or may not be right, is left to node:http', () => {
  const head = (line: string, ...headers: string[]) => `${[line, ...headers].join('\r\n')}\r\n\r\n`;
  const post = (...headers: string[]) => head('POST / HTTP/1.1', 'Host: h', ...headers);
  for (const text of [
    head('POST / HTTP/1.0', 'Host: h', 'Content-Length: 0'),
    head('POST  / HTTP/1.1', 'Host: h', 'Content-Length: 0'),
    head('POST http://h/ HTTP/1.1', 'Host: h', 'Content-Length: 0'),
    head('POST /a b HTTP/1.1', 'Host: h', 'Content-Length: 0'),
    head('POST /a#b HTTP/1.1', 'Host: h', 'Content-Length: 0'),
    head('PUT / HTTP/1.1', 'Host: h', 'Content-Length: 0'),
    head('POST / HTTP/1.1', 'Content-Length: 0'),
    head('GET / HTTP/1.1', 'Host: '),
    post(),
    post('Content-Length: +1'),
    post('Content-Length: 1, 1'),
    post('Content-Length: 0x1'),
    post('Content-Length: 1', 'Content-Length: 1'),
    post('Content-Length: 1', 'Transfer-Encoding: chunked'),
    post('Transfer-Encoding: chunked'),
    post('Content-Length: 1', 'Expect: 100-continue'),
    post('Content-Length: 1', 'Connection: close'),
    post('Content-Length: 1', 'Connection: keep-alive, upgrade'),
    post('Content-Length: 1', 'Upgrade: h2c'),
    post('Content-Length: 1', 'X : 1'),
    post('Content-Length: 1', ' folded'),
    post('Content-Length: 1', 'X: a\nb'),
    post('Content-Length: 1', 'X: \0'),
    post('Content-Length: 1', '__proto__: 1'),
    post('Content-Length: 1', 'constructor: 1'),
    post('Content-Length: 1', `X: ${'x'.repeat(8_192)}`),
    '\r\nPOST / HTTP/1.1\r\n',
    'PRI * HTTP/2.0\r\n',
    '\x16\x03\x01',
  ]) {
    assert.equal(readHead(Buffer.from(text, 'latin1')), 'other', JSON.stringify(text.slice(0, 80)));
  }
});

test('what is read as plain, node:http reads alike', async () => {
  const token = fc.constantFrom(
    'Host',
    'host',
    'X-A',
    'x-a',
    'Accept',
    'Content-Length',
    'Cookie',
    'X_B',
    'Te',
    'Set-Cookie',
  );
  const value = fc.oneof(
    fc.constantFrom('1', '0', '2', 'keep-alive', 'a, b', '', 'é', '\t x \t', '\xa0y\xa0', 'chunked'),
    fc.string({ maxLength: 6, unit: 'grapheme-ascii' }),
  );
  const colon = fc.constantFrom(': ', ':', ' :', ':  ');
  const end = fc.constantFrom('\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r');
  const line = fc.tuple(token, colon, value, end).map((parts) => parts.join(''));
  const target = fc.constantFrom('/', '/a?b=%20', '/é', '/a b', '//x', '*');
  const request = fc
    .tuple(fc.constantFrom('GET', 'POST'), target, fc.array(line, { maxLength: 4 }), fc.constantFrom('', '{', '{}'))
    .map(([method, url, lines, body]) => `${method} ${url} HTTP/1.1\r\nHost: h\r\n${lines.join('')}\r\n${body}`);
  let plain = 0;
  await fc.assert(
    fc.asyncProperty(request, async (text) => {
      const bytes = Buffer.from(text, 'latin1');
      const head = readHead(bytes);
      if (typeof head === 'string' || head.bytes + head.bodyBytes > bytes.length) return;
      plain += 1;
      const read = await nodeReads(bytes.subarray(0, head.bytes + head.bodyBytes));
      assert.ok(read, `node:http refuses ${JSON.stringify(text)}`);
      const { method, url, headers } = read.request;
      assert.deepEqual([head.method, head.url, head.headers], [method, url, { ...headers }]);
      assert.deepEqual(bytes.subarray(head.bytes, head.bytes + head.bodyBytes), read.body);
    }),
    { numRuns: 3_000 },
  );
  assert.ok(plain > 100, `${plain} of them were plain`);
});

interface Read {
  readonly request: IncomingMessage;
  readonly body: Buffer;
}

/** The first request that node:http reads from these bytes; undefined when it refuses them. */
function nodeReads(bytes: Buffer): Promise<Read | undefined> {
  return new Promise((resolve) => {
    const server = createServer((request) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => resolve({ request, body: Buffer.concat(pieces) }));
    });
    server.on('clientError', () => resolve(undefined));
    const connection = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    server.emit('connection', connection);
    connection.push(bytes);
  });
}
