import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { makeObjects, type Objects } from '../routes/reach/objects.ts';
import { requestsFor } from '../routes/reach/requests.ts';
import { type Asked, allRefused, answerTo, ask, mlflow } from './hostile/ask.ts';
import { type JsonRoute, jsonRoutes, withEachField } from './hostile/routes.ts';
import { forEachDatabase, type HostileServer } from './hostile/server.ts';

const MIB = 1_048_576;
const LEVELS = 100_000;
const CLIENT_FAULT = [400, 404, 409, 412, 413, 415, 422];

forEachDatabase('A hostile body', (open) => {
  let server: HostileServer;
  let objects: Objects;
  let routes: JsonRoute[];
  before(async () => {
    server = await open();
    objects = await makeObjects(({ bytes, ...one }) => ask(server, { ...one, ...(bytes ? { body: bytes } : {}) }), 'a');
    routes = await jsonRoutes(server, objects);
    assert.ok(routes.length > 60, `${routes.length} routes take JSON`);
  });
  after(() => server.stop());

  test('of 10 MB is refused by every route that takes JSON', async () => {
    const body = Buffer.from(`{"name":"${'x'.repeat(10 * MIB)}"}`);
    const announced = routes.map(({ method, path }) => ({ method, path, body }));
    // Data sets may come with profiles of 16 MiB, so there the name is what is too long.
    await allRefused(server, announced, [413, 400]);
    const chunked = announced.slice(0, 5).map((one) => ({ ...one, headers: { 'transfer-encoding': 'chunked' } }));
    await allRefused(server, chunked, [413, 400]);
  });

  test('of 100,000 levels is refused by every route, as the whole and in each of its fields', async () => {
    const nested = (open: string, close: string) => `${open.repeat(LEVELS)}1${close.repeat(LEVELS)}`;
    const deep = [nested('[', ']'), nested('{"a":', '}')];
    for (const text of deep) {
      await allRefused(
        server,
        routes.map(({ method, path }) => ({ method, path, body: text })),
        CLIENT_FAULT,
      );
      await allRefused(
        server,
        routes.flatMap((route) => withEachField(route, text)),
        CLIENT_FAULT,
      );
    }
  });

  test('that is not JSON, or not UTF-8, is refused by every route', async () => {
    const bodies = [
      '{',
      '[1',
      '{"a":}',
      '{"a":1}{',
      "{'a':1}",
      '{"a":NaN}',
      '\0',
      '{"a":"\n"}',
      '{"a":01}',
      '// a\n{}',
    ];
    const bytes = [
      [0xff, 0xfe],
      [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d],
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
    ];
    for (const body of [...bodies, ...bytes.map((one) => Uint8Array.from(one))]) {
      await allRefused(
        server,
        routes.map(({ method, path }) => ({ method, path, body })),
        [400],
      );
    }
  });

  test('with a field of another kind than it should have never makes the server fail', async () => {
    const before = await server.kept();
    const values = [
      '1e999',
      '-1',
      '[]',
      '{}',
      'null',
      'true',
      '""',
      '"\\u0000"',
      '"\\ud800"',
      '[null]',
      '{"__proto__":1}',
    ];
    const failed: string[] = [];
    for (const asked of routes.flatMap((route) => values.flatMap((value) => withEachField(route, value)))) {
      const { status, text } = await ask(server, asked);
      if (status >= 500)
        failed.push(`${asked.method} ${asked.path} ${String(asked.body).slice(0, 200)}: ${status} ${text}`);
    }
    assert.deepEqual(failed, []);
    assert.ok(await server.isAlive());
    assert.deepEqual(Object.keys(await server.kept()), Object.keys(before));
  });

  test('with NUL in any text of a request is refused, and nothing of it is kept', async () => {
    const texts = routes.flatMap(({ fields, body, ...route }) =>
      Object.entries(body).flatMap(([field, value]) =>
        typeof value === 'string' && !/digest|timestamp/.test(field)
          ? { ...route, json: { ...body, [field]: `${value}\0` } }
          : [],
      ),
    );
    await allRefused(server, texts, CLIENT_FAULT);
  });

  test('beside an address with NUL in it is refused, wherever in the address', async () => {
    const asked = Object.entries(requestsFor(objects)).flatMap(([name, { params = {}, query = {}, json }]) => {
      const [method = '', template = ''] = name.split(' ');
      const content = json === undefined ? {} : { json };
      const path = (of: Readonly<Record<string, string>>) =>
        template.replace(/:([a-zA-Z_]+)|\*/g, (found, param: string | undefined) =>
          param === undefined ? (of[found] ?? '') : encodeURIComponent(of[param] ?? ''),
        );
      return [
        ...Object.keys(params).map((key) =>
          path({ ...params, [key]: key === '*' ? `${params[key]}%00` : `${params[key]}\0` }),
        ),
        ...Object.keys(query).map(
          (key) => `${path(params)}?${new URLSearchParams({ ...query, [key]: `${query[key]}\0` })}`,
        ),
      ].map((address) => ({ method, path: address, ...content }));
    });
    await allRefused(server, asked, [400, 404]);
    const part = { method: 'PUT', path: '/api/2.0/mlflow-artifacts/mpu/part/a%00/1', body: 'x' };
    await allRefused(server, [part, { ...part, path: part.path.replace('a%00/1', 'a/1%00') }], [400, 401, 404]);
  });

  test('with huge names is refused, naming the limit', async () => {
    const run_id = objects.run;
    const [long, huge] = ['k'.repeat(251), 'k'.repeat(900_000)];
    const keys = [long, huge].flatMap((key) => [
      mlflow('POST', 'runs/log-metric', { run_id, key, value: 1, timestamp: 1 }),
      mlflow('POST', 'runs/log-parameter', { run_id, key, value: '1' }),
      mlflow('POST', 'runs/set-tag', { run_id, key, value: '1' }),
      mlflow('POST', 'runs/log-batch', { run_id, metrics: [{ key, value: 1, timestamp: 1 }] }),
      mlflow('POST', 'experiments/set-experiment-tag', { experiment_id: objects.experiment, key, value: '1' }),
      mlflow('POST', 'registered-models/set-tag', { name: 'a', key, value: '1' }),
      mlflow('POST', 'model-versions/set-tag', { name: 'a', version: '1', key, value: '1' }),
      mlflow('POST', 'registered-models/alias', { name: 'a', alias: `${key}12345`, version: '1' }),
      mlflow('POST', 'experiments/create', { name: key + key }),
      mlflow('POST', 'registered-models/create', { name: key + key }),
      { method: 'POST', path: `/api/v1/tracking/runs/${run_id}/log`, json: { params: { [key]: '1' } } },
      mlflow('POST', 'runs/log-parameter', { run_id, key: 'p', value: 'v'.repeat(6_001) }),
      mlflow('POST', 'runs/set-tag', { run_id, key: 't', value: 'v'.repeat(8_001) }),
      mlflow('POST', 'runs/get', { run_id: key + key }),
    ]);
    await allRefused(server, keys, [400, 404, 413]);
    const { status, text } = await ask(server, keys[0] as Asked);
    assert.equal(status, 400);
    assert.match(text, /250/);
  });

  test('in a huge address or header is refused', async () => {
    const asked = [
      { method: 'GET', path: `/api/2.0/mlflow/runs/get?run_id=${'a'.repeat(12_000)}` },
      { method: 'GET', path: `/api/v1/tracking/runs/${'a'.repeat(12_000)}` },
      { method: 'GET', path: `/api/2.0/mlflow/runs/get?run_id=${'a'.repeat(60_000)}` },
      { method: 'GET', path: '/api/v1/models', headers: { 'x-mlflow-workspace': 'a'.repeat(9_000) } },
      { method: 'GET', path: '/api/v1/models', headers: { authorization: `Bearer ${'a'.repeat(9_000)}` } },
      { method: 'GET', path: '/api/v1/models', headers: { authorization: `Basic ${'a'.repeat(60_000)}` } },
    ];
    await allRefused(server, asked, [400, 401, 404, 414, 431]);
  });

  test('with more than a batch may have is refused whole', async () => {
    const run_id = objects.run;
    const many = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));
    const metrics = (n: number) => many(n, (i) => ({ key: `m${i}`, value: i, timestamp: 1, step: 0 }));
    const pairs = (n: number) => many(n, (i) => ({ key: `k${i}`, value: 'v' }));
    const same = [
      { key: 'fresh', value: '1' },
      { key: 'fresh', value: '2' },
    ];
    await allRefused(
      server,
      [
        { run_id, metrics: metrics(1_001) },
        { run_id, params: pairs(101) },
        { run_id, tags: pairs(101) },
        { run_id, metrics: metrics(900), params: pairs(51), tags: pairs(50) },
        // All of a batch but its last part is right.
        { run_id, metrics: metrics(5), params: [...pairs(5), { key: 'p', value: 'changed' }] },
        { run_id, metrics: metrics(5), params: same },
        { run_id, metrics: [...metrics(5), { key: 'm', value: 'no number', timestamp: 1 }] },
        { run_id, metrics: [...metrics(5), { key: 'm', value: 1, timestamp: -1 }] },
        { run_id, metrics: [...metrics(5), { key: 'm', value: 1, timestamp: '99999999999999999999' }] },
        { run_id, tags: [...pairs(5), { key: 'x', value: 'v'.repeat(8_001) }] },
      ].map((json) => mlflow('POST', 'runs/log-batch', json)),
      [400],
    );
    const heavy = {
      run_id,
      params: many(100, (i) => ({ key: `heavy${i}`, value: 'v'.repeat(6_000) })),
      tags: pairs(100),
    };
    const tooHeavy = { ...heavy, tags: many(100, (i) => ({ key: `t${i}`, value: 'v'.repeat(8_000) })) };
    await allRefused(server, [mlflow('POST', 'runs/log-batch', tooHeavy)], [413, 400]);
    assert.deepEqual(await answerTo(server, mlflow('POST', 'runs/log-batch', heavy)), {});
  });

  test('with names that programs stumble over is kept as it was sent', async () => {
    const params = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'].map((key) => ({ key, value: key }));
    await answerTo(server, mlflow('POST', 'runs/log-batch', { run_id: objects.run, params, tags: params }));
    const told = await answerTo(server, mlflow('GET', `runs/get?run_id=${objects.run}`));
    const { data } = told['run'] as { data: Record<'params' | 'tags', { key: string; value: string }[]> };
    for (const { key, value } of params) {
      for (const kept of [data.params, data.tags]) assert.equal(kept.find((one) => one.key === key)?.value, value);
    }
  });
});

forEachDatabase('A body that never ends, or ends too soon', (open) => {
  let server: HostileServer;
  let objects: Objects;
  before(async () => {
    server = await open();
    objects = await makeObjects(({ bytes, ...one }) => ask(server, { ...one, ...(bytes ? { body: bytes } : {}) }), 'a');
  });
  after(() => server.stop());

  const head = (method: string, path: string, ...more: readonly string[]): string =>
    [`${method} ${path} HTTP/1.1`, 'host: localhost', `authorization: ${server.headers['authorization']}`, ...more]
      .map((line) => `${line}\r\n`)
      .join('');

  /** Opens a connection and sends what is given. The caller ends it. */
  async function sent(text: string) {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.on('error', () => {});
    await new Promise<void>((resolve) => socket.write(text, () => resolve()));
    return socket;
  }

  /** What is answered until the server ends the connection. */
  async function answered(text: string): Promise<string> {
    const socket = await sent(text);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    await new Promise((resolve) => socket.on('close', resolve));
    return answer;
  }

  test('keeps nobody else waiting, and leaves nothing behind when it breaks off', async () => {
    const { folder, run } = objects;
    const file = `/api/2.0/mlflow-artifacts/artifacts/${folder}/broken.bin`;
    const before = await server.kept();
    const starts = [
      `${head('POST', '/api/2.0/mlflow/runs/log-batch', 'content-length: 5000')}\r\n{"run_id":"${run}"`,
      `${head('POST', '/api/v1/models', 'content-type: application/json', 'content-length: 5000')}\r\n{"name":"b"`,
      `${head('PUT', file, 'content-length: 5000')}\r\nsome of the file`,
      `${head('PUT', file, 'transfer-encoding: chunked')}\r\n5\r\nhello\r\n`,
      `${head('POST', '/api/2.0/mlflow/runs/log-batch')}x-slow: `,
      'GET /health HTTP/1.1\r\nhost: ',
    ];
    const sockets = await Promise.all(
      Array.from({ length: 20 }, () => starts)
        .flat()
        .map(sent),
    );
    assert.ok(await server.isAlive());
    await answerTo(server, mlflow('GET', `runs/get?run_id=${run}`));
    for (const socket of sockets) socket.destroy();
    await eventually(async () => assert.deepEqual(await server.kept(), before));
    const { status } = await ask(server, { method: 'GET', path: file });
    assert.equal(status, 404);
    assert.ok(await server.isAlive());
  });

  test('is answered to a client that reads nothing before it has sent everything', async () => {
    const length = 10 * MIB;
    for (const path of ['/api/2.0/mlflow/runs/log-batch', '/api/v1/models', '/api/2.0/mlflow/never/made']) {
      const socket = await sent(
        `${head('POST', path, 'content-type: application/json', `content-length: ${length}`)}\r\n`,
      );
      socket.pause();
      await new Promise<void>((resolve) => socket.write(Buffer.alloc(length, 'x'), () => resolve()));
      const [answer] = await once(socket.resume(), 'data');
      assert.match(String(answer), /^HTTP\/1\.1 4(13|04) /, path);
      socket.destroy();
    }
    assert.ok(await server.isAlive());
  });

  test('is refused when it is framed in a way that servers do not agree about', async () => {
    const { run } = objects;
    const body = `{"run_id":"${run}","key":"smuggled","value":"1"}`;
    const path = '/api/2.0/mlflow/runs/set-tag';
    const close = 'connection: close';
    const before = await server.kept();
    const framed = [
      [
        close,
        'transfer-encoding: chunked',
        `content-length: ${body.length}`,
        '',
        `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
      ],
      [close, 'content-length: 5', `content-length: ${body.length}`, '', body],
      [close, 'content-length: -5', '', body],
      [close, 'transfer-encoding: chunked', '', `zz\r\n${body}\r\n0\r\n\r\n`],
      [close, 'transfer-encoding: gzip', '', body],
      [close, 'content-length: 1e3', '', body],
    ];
    for (const [, ...lines] of framed) {
      const answer = await answered(
        `${head('POST', path, close)}${lines.slice(0, -1).join('\r\n')}\r\n${lines.at(-1)}`,
      );
      assert.match(answer, /^HTTP\/1\.1 (400|413|415|501)/, lines.join('|'));
    }
    assert.deepEqual(await server.kept(), before);
    assert.ok(await server.isAlive());
  });
});

const WITHIN_MS = 60_000;

/** Checks again until it holds; what still fails after a minute fails. */
async function eventually(check: () => Promise<void>): Promise<void> {
  const until = performance.now() + WITHIN_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > until) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
