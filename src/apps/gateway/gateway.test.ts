import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openFsBlobStore } from '#adapters/blob/fs';
import { OnnxGraph } from '#learn/onnx';
import type { PredictionRecord, RoutingTable } from '#serving';
import { unpackPredictions } from '#serving/packed-predictions';
import { compileCache } from '#testing/compile-cache';

/** value = 2x */
function doubling(): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.initializer('two', { type: 'float', shape: [1], values: [2] });
  graph.node('Mul', { inputs: ['features', 'two'], outputs: ['value'] });
  graph.output('value', 'float', ['N', 1]);
  return graph.toBytes({ graphName: 'doubling', opsets: { '': 17 } });
}

describe('a gateway process', () => {
  let folder: string;
  let table: RoutingTable;
  let reachable = true;
  const received: PredictionRecord[] = [];
  const tokens = new Set<string | undefined>();
  const controlPlane = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      tokens.add(request.headers.authorization);
      if (!reachable) return void request.socket.destroy();
      if (request.url?.startsWith('/api/v1/routing')) {
        if (!request.url.endsWith(`after=${table.version}`)) response.end(JSON.stringify(table));
        return;
      }
      if (request.url !== '/api/v1/predictions/packed') return void response.writeHead(404).end('{}');
      received.push(...unpackPredictions(Buffer.concat(chunks), 2_000));
      response.end('{}');
    });
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kedge-gateway-process-'));
    const blobs = await openFsBlobStore({ root: join(folder, 'blobs') });
    const { digest } = await blobs.put(doubling());
    const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'value' as const };
    const arm = (version: number) => ({ revision: `m@${version}`, model: 'm', version, digest, signature });
    const guardrail = { errorRateMax: 1, latencyP95MsMax: 1e6, requestsMin: 1_000_000, windowMs: 60_000 };
    const candidate = { ...arm(2), weight: 50, shadow: false };
    const endpoint = {
      name: 'e',
      current: arm(1),
      candidate,
      features: null,
      guardrail,
      timeoutMs: 5_000,
      locked: false,
    };
    table = { version: 1, endpoints: { e: { ...endpoint, rollout: 'roll_1' } } };
    await new Promise<void>((resolve) => controlPlane.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    controlPlane.closeAllConnections();
    controlPlane.close();
    await rm(folder, { recursive: true });
  });

  function start(settings = {}): Promise<{ readonly child: ChildProcess; readonly url: string }> {
    const child = fork(fileURLToPath(new URL('./main.ts', import.meta.url)), [], {
      env: {
        ...compileCache,
        KEDGE_DATA: folder,
        KEDGE_URL: `http://127.0.0.1:${(controlPlane.address() as AddressInfo).port}`,
        KEDGE_TOKEN: 'gateway-token',
        ...{ KEDGE_GATEWAY_PORT: '0', KEDGE_GRPC_PORT: '0', KEDGE_LOG_LEVEL: 'fatal' },
        ...settings,
      },
    });
    return new Promise((resolve, reject) => {
      child.once('message', ({ ready }: { ready: { url: string } }) => resolve({ child, url: ready.url }));
      child.once('exit', (code) => reject(new Error(`the gateway ended with code ${code}`)));
    });
  }

  async function predict(url: string, id: string, x: number): Promise<void> {
    for (;;) {
      const body = JSON.stringify({ id, inputs: { x } });
      const response = await fetch(`${url}/v1/endpoints/e/predict`, { method: 'POST', body });
      // Before the first routing table has come there is no endpoint.
      if (response.status === 404) continue;
      assert.equal(response.status, 200);
      const { output } = (await response.json()) as { output: { value: number } };
      assert.equal(output.value, 2 * x);
      return;
    }
  }

  const ended = (child: ChildProcess): Promise<unknown> => new Promise((resolve) => child.once('exit', resolve));

  test('that records before it answers ships each once, though it is killed with -9 again and again', async () => {
    const answered: string[] = [];
    for (let life = 0; life < 3; life++) {
      const { child, url } = await start({ KEDGE_RECORD_DELAY_MS: '0' });
      // In every other life nothing can be shipped, so all of it is left to the next.
      reachable = life !== 1 || answered.length === 0;
      const clients = Array.from({ length: 4 }, async (_, client) => {
        for (let i = 0; ; i++) {
          const id = `${life}-${client}-${i}`;
          try {
            await predict(url, id, i);
          } catch (error) {
            assert.ok(error instanceof TypeError, `${error}`);
            return;
          }
          answered.push(id);
          if (answered.length >= (life + 1) * 300) child.kill('SIGKILL');
        }
      });
      await Promise.all([ended(child), ...clients]);
      reachable = true;
    }

    const { child, url } = await start();
    const flushed = await fetch(`${url}/v1/flush`, { method: 'POST' });
    assert.equal(flushed.status, 200);
    child.kill('SIGTERM');
    assert.equal(await ended(child), 0);

    const times = new Map<string, number>();
    for (const { id } of received) times.set(id, (times.get(id) ?? 0) + 1);
    assert.ok(answered.length >= 900);
    assert.deepEqual(
      answered.filter((id) => !times.has(id)),
      [],
    );
    // A batch on its way at the moment of the kill comes again; the control plane knows its ids and keeps one of each.
    const kept = new Map(received.map((record) => [record.id, record]));
    assert.equal([...kept.keys()].filter((id) => answered.includes(id)).length, answered.length);
    for (const record of kept.values()) {
      assert.ok(record.shadow?.score === record.score || record.shadow?.error, JSON.stringify(record));
    }
    assert.deepEqual([...tokens], ['Bearer gateway-token']);
  });

  test('loses to kill -9 no more than what it answered just before, and ships the rest once', async () => {
    const { child, url } = await start();
    const answers: { readonly id: string; readonly atMs: number }[] = [];
    const began = performance.now();
    const clients = Array.from({ length: 4 }, async (_, client) => {
      for (let i = 0; ; i++) {
        const id = `bound-${client}-${i}`;
        try {
          await predict(url, id, i);
        } catch (error) {
          assert.ok(error instanceof TypeError, `${error}`);
          return;
        }
        answers.push({ id, atMs: performance.now() });
        if (performance.now() - began > 4_000) child.kill('SIGKILL');
      }
    });
    await Promise.all([ended(child), ...clients]);
    const killedMs = answers.at(-1)?.atMs ?? 0;

    const next = await start();
    assert.equal((await fetch(`${next.url}/v1/flush`, { method: 'POST' })).status, 200);
    next.child.kill('SIGTERM');
    assert.equal(await ended(next.child), 0);

    // The delay, and two seconds for the write that was under way on a machine that is busy with other things.
    const due = answers.filter(({ atMs }) => atMs < killedMs - 10 - 2_000);
    const kept = new Set(received.map(({ id }) => id));
    assert.ok(due.length > 100, `${due.length} answers`);
    assert.deepEqual(
      due.filter(({ id }) => !kept.has(id)),
      [],
    );
  });

  test('that records later has written it when the delay is over, and when it ends', async () => {
    const got = (id: string): number => received.filter((record) => record.id === id).length;
    const first = await start({ KEDGE_RECORD_DELAY_MS: '50' });
    await predict(first.url, 'delayed', 1);
    const giveUpAt = performance.now() + 60_000;
    while (got('delayed') === 0) {
      assert.ok(performance.now() < giveUpAt, 'what was answered is not recorded');
      await setTimeout(10);
    }
    first.child.kill('SIGKILL');
    await ended(first.child);

    reachable = false;
    const second = await start({ KEDGE_RECORD_DELAY_MS: '1000' });
    await predict(second.url, 'ended', 2);
    second.child.kill('SIGTERM');
    assert.equal(await ended(second.child), 0);
    reachable = true;

    const third = await start();
    assert.equal((await fetch(`${third.url}/v1/flush`, { method: 'POST' })).status, 200);
    third.child.kill('SIGTERM');
    assert.equal(await ended(third.child), 0);
    assert.equal(got('ended'), 1);
  });

  test('does not start with a configuration that it cannot follow, and says why', async () => {
    for (const [settings, words] of [
      [{ KEDGE_TLS_CERT: 'cert.pem' }, /KEDGE_TLS_CERT and KEDGE_TLS_KEY belong together/],
      [{ KEDGE_TLS_CERT: 'no-such-cert.pem', KEDGE_TLS_KEY: 'no-such-key.pem' }, /no-such-cert\.pem/],
      [{ KEDGE_MODEL_REPOSITORY: '/no/such/folder' }, /KEDGE_MODEL_REPOSITORY: \/no\/such\/folder is no folder/],
      [{ AIP_HTTP_PORT: 'any' }, /AIP_HTTP_PORT/],
    ] as const) {
      const child = fork(fileURLToPath(new URL('./main.ts', import.meta.url)), [], {
        env: {
          ...compileCache,
          KEDGE_DATA: folder,
          KEDGE_LOG_LEVEL: 'fatal',
          KEDGE_GATEWAY_PORT: '0',
          KEDGE_GRPC_PORT: '0',
          ...settings,
        },
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      });
      let told = '';
      child.stderr?.on('data', (chunk: Buffer) => {
        told += chunk.toString();
      });
      assert.equal(await new Promise((resolve) => child.once('close', resolve)), 1);
      assert.match(told, words);
      assert.doesNotMatch(told, /\n\s+at /);
    }
  });
});
