import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, test } from 'node:test';
import { systemClock } from '#core/clock';
import { seededRandom } from '#core/random';
import { type LoadReport, type OpenLoopOptions, openLoop } from '#serving/loadtest';
import { httpSender } from './http-sender.ts';

let server: Server;
afterEach(() => server.close());

async function listen(onRequest: (body: string, response: ServerResponse) => void): Promise<URL> {
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => onRequest(body, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}

type Wanted = Partial<OpenLoopOptions<string>> & { readonly timeoutMs?: number };

async function load(url: URL, { timeoutMs = 30_000, ...more }: Wanted = {}): Promise<LoadReport> {
  const sender = httpSender({ url, timeoutMs });
  try {
    return await openLoop<string>({
      ...{ bodies: ['{"a":1}'], send: sender.send, rate: 200, seconds: 0.5, arrivals: 'even', inWorkMax: 1_000 },
      ...{ clock: systemClock, random: seededRandom(1) },
      ...more,
    });
  } finally {
    sender.close();
  }
}

test('a server that answers nobody until all have come is asked by all, who wait from when they were due', async () => {
  const waiting: ServerResponse[] = [];
  const url = await listen((_, response) => {
    waiting.push(response);
    if (waiting.length < 100) return;
    for (const held of waiting) held.end('{}');
  });

  const { sent, answered, failures, latencyMs } = await load(url);

  assert.deepEqual([sent, answered, failures], [100, 100, {}]);
  // The first was due 495 ms before the last, and nobody was answered earlier than that.
  assert.ok((latencyMs?.max ?? 0) >= 490, `${latencyMs?.max}`);
  assert.ok((latencyMs?.p90 ?? 0) >= 400 && (latencyMs?.p50 ?? 0) >= 200, JSON.stringify(latencyMs));
  const { p50 = 0, p90 = 0, p95 = 0, p99 = 0, p999 = 0, max = 0 } = latencyMs ?? {};
  assert.deepEqual(
    [p50, p90, p95, p99, p999, max].toSorted((a, b) => a - b),
    [p50, p90, p95, p99, p999, max],
  );
});

test('bodies are sent in turn, and what is not answered with 200 is told by its status', async () => {
  const seen: string[] = [];
  const url = await listen((body, response) => {
    seen.push(body);
    response.writeHead(body === 'b' ? 503 : 200).end();
  });

  const { answered, failures, sent } = await load(url, { bodies: ['a', 'b', 'c', 'c'], rate: 80 });

  assert.deepEqual([sent, answered, failures], [40, 30, { 503: 10 }]);
  assert.equal(seen.filter((body) => body === 'c').length, 20);
});

test('requests past the limit of those in work are not sent, and who is not answered in time is given up', async () => {
  const url = await listen(() => {});

  const { sent, answered, failures } = await load(url, { inWorkMax: 10, rate: 100, timeoutMs: 2_000 });

  assert.equal(answered, 0);
  // Ten, but for a machine that stands still for two seconds.
  assert.ok(sent >= 10 && sent < 50, `${sent}`);
  assert.deepEqual(failures, { timeout: sent, 'not-sent': 50 - sent });
  server.closeAllConnections();
});

test('independent users come at the planned rate on average, and a closed port is told as errors', async () => {
  let count = 0;
  const url = await listen((_, response) => {
    count += 1;
    response.end();
  });
  const { sent } = await load(url, { arrivals: 'poisson', rate: 400, seconds: 1 });
  assert.equal(count, sent);
  assert.ok(sent > 320 && sent < 480, `${sent}`);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  const { answered, failures, latencyMs } = await load(url, { rate: 20 });
  assert.deepEqual([answered, failures, latencyMs], [0, { error: 10 }, null]);
});
