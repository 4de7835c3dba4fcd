import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { credentials, type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { openFsBlobStore } from '#adapters/blob/fs';
import { OnnxGraph } from '#learn/onnx';
import type { PredictionRecord, ProcessView, RoutingTable } from '#serving';
import { unpackPredictions } from '#serving/packed-predictions';
import { compileCache } from '#testing/compile-cache';
import { eventually } from '#testing/loop-platform';

/** value = 2x */
function doubling(): Uint8Array<ArrayBuffer> {
  const graph = new OnnxGraph();
  graph.input('features', 'float', ['N', 1]);
  graph.initializer('two', { type: 'float', shape: [1], values: [2] });
  graph.node('Mul', { inputs: ['features', 'two'], outputs: ['value'] });
  graph.output('value', 'float', ['N', 1]);
  return graph.toBytes({ graphName: 'doubling', opsets: { '': 17 } });
}

interface Answer {
  readonly status: number;
  readonly body: {
    readonly arm: string;
    readonly code: string;
    readonly ready: boolean;
    readonly shipped: number;
    readonly output: { readonly value: number };
    readonly outputs: readonly { readonly data: readonly number[] }[];
    readonly result: string;
    readonly processes: readonly ProcessView[];
    readonly model_stats: readonly { readonly name: string; readonly inference_count: number }[];
  };
}

/** One keep-alive connection, which is made anew when it breaks, and then its request is sent once more. */
class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #url: URL;
  retries = 0;

  constructor(url: string) {
    this.#url = new URL(url);
  }

  async call(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    try {
      return await this.#once(path, body, headers);
    } catch {
      this.retries += 1;
      return this.#once(path, body, headers);
    }
  }

  #once(path: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
    const { hostname, port } = this.#url;
    const method = body === undefined ? 'GET' : 'POST';
    return new Promise((resolve, reject) => {
      const sent = request({ agent: this.#agent, hostname, port, path, method, headers }, async (response) => {
        try {
          let text = '';
          for await (const chunk of response) text += chunk;
          resolve({ status: response.statusCode ?? 0, body: text.startsWith('{') ? JSON.parse(text) : text });
        } catch (error) {
          reject(error);
        }
      });
      sent.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

describe('a gateway of two processes', () => {
  let folder: string;
  let table: RoutingTable;
  let gateway: ChildProcess;
  let url: string;
  let grpc: string;
  let reachable = true;
  const clients: Client[] = [];
  const received: PredictionRecord[] = [];
  const controlPlane = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      if (incoming.url?.startsWith('/api/v1/routing')) {
        if (!incoming.url.endsWith(`after=${table.version}`)) response.end(JSON.stringify(table));
      } else if (incoming.url === '/api/v1/predictions/packed' && !reachable) {
        response.writeHead(503).end('{}');
      } else if (incoming.url === '/api/v1/predictions/packed') {
        received.push(...unpackPredictions(Buffer.concat(chunks), 2_000));
        response.end('{}');
      }
      // Observations wait for an answer, and nothing waits for them.
    });
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kedge-processes-'));
    const blobs = await openFsBlobStore({ root: join(folder, 'blobs') });
    const { digest } = await blobs.put(doubling());
    await mkdir(join(folder, 'models/r/1'), { recursive: true });
    await writeFile(join(folder, 'models/r/1/model.onnx'), doubling());
    const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'value' as const };
    const arm = (version: number) => ({ revision: `m@${version}`, model: 'm', version, digest, signature });
    const guardrail = { errorRateMax: 1, latencyP95MsMax: 1e6, requestsMin: 1_000_000, windowMs: 60_000 };
    const common = { current: arm(1), features: null, guardrail, timeoutMs: 60_000, locked: false };
    const limit = { per: 'endpoint' as const, counts: 'requests' as const, perSecond: 0.001, burst: 10 };
    table = {
      version: 1,
      endpoints: {
        e: { name: 'e', ...common },
        split: { name: 'split', ...common, candidate: { ...arm(2), weight: 50, shadow: false }, rollout: 'roll_1' },
        limited: { name: 'limited', ...common, protection: { ...NO_PROTECTION, limits: [limit] } },
      },
    };
    await new Promise<void>((resolve) => controlPlane.listen(0, '127.0.0.1', resolve));
    ({ gateway, url, grpc } = await start(2));
    // Connected one after the other, so that each process has one of every two.
    for (let i = 0; i < 4; i++) {
      const client = new Client(url);
      await eventually('the gateway is ready', async () =>
        (await client.call('/v2/health/ready')).status === 200 ? true : undefined,
      );
      clients.push(client);
    }
  });
  after(async () => {
    for (const client of clients) client.close();
    gateway.kill('SIGKILL');
    controlPlane.closeAllConnections();
    controlPlane.close();
    await rm(folder, { recursive: true, maxRetries: 5 });
  });

  async function start(processes: number) {
    const child = fork(fileURLToPath(new URL('../main.ts', import.meta.url)), [], {
      env: {
        ...compileCache,
        KEDGE_DATA: folder,
        KEDGE_URL: `http://127.0.0.1:${(controlPlane.address() as AddressInfo).port}`,
        ...{ KEDGE_GATEWAY_PROCESSES: String(processes), KEDGE_MODEL_REPOSITORY: join(folder, 'models') },
        ...{ KEDGE_GATEWAY_PORT: '0', KEDGE_GRPC_PORT: '0', KEDGE_LOG_LEVEL: 'error' },
        ...{ KEDGE_MODEL_CONTROL: 'true', KEDGE_PREDICT_TIMEOUT_MS: '60000', KEDGE_RECORD_DELAY_MS: '0' },
      },
    });
    const ready = await new Promise<{ readonly url: string; readonly grpc: string }>((resolve, reject) => {
      child.once('message', (message: { ready: { url: string; grpc: string } }) => resolve(message.ready));
      child.once('exit', (code) => reject(new Error(`the gateway ended with code ${code}`)));
    });
    return { gateway: child, ...ready };
  }

  const at = (i: number): Client => clients[i % clients.length] as Client;
  const predict = (client: Client, id: string, endpoint = 'e') =>
    client.call(`/v1/endpoints/${endpoint}/predict`, { id, inputs: { x: 21 } });
  const processes = async () => (await at(0).call('/v1/processes')).body.processes;
  const allServe = () =>
    eventually('all processes serve', async () =>
      (await processes()).every(({ state }) => state === 'serving') ? true : undefined,
    );
  const inferences = async (client: Client, name: string): Promise<number> => {
    const { model_stats } = (await client.call('/v2/models/stats')).body;
    return model_stats.filter((one) => one.name === name).reduce((sum, one) => sum + one.inference_count, 0);
  };

  test('spreads its connections evenly, and every process answers', async () => {
    const found = await processes();

    assert.deepEqual(
      found.map(({ process: place, state, starts, connections }) => [place, state, starts, connections]),
      [
        [1, 'serving', 1, 2],
        [2, 'serving', 1, 2],
      ],
    );
    assert.equal(new Set(found.map(({ pid }) => pid)).size, 2);
    for (const client of clients) assert.equal((await predict(client, 'x')).body.output.value, 42);
  });

  test('gives a request the same arm whichever process it comes to', async () => {
    const arms = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const [one, other] = await Promise.all([predict(at(0), `s-${i}`, 'split'), predict(at(1), `s-${i}`, 'split')]);
      assert.equal(one.body.arm, other.body.arm);
      arms.add(one.body.arm);
    }
    assert.deepEqual([...arms].sort(), ['candidate', 'current']);
  });

  test('counts limits over all processes', async () => {
    const answers = await Promise.all(Array.from({ length: 24 }, (_, i) => predict(at(i), `l-${i}`, 'limited')));

    assert.equal(answers.filter(({ status }) => status === 200).length, 10);
    assert.equal(answers.filter(({ body }) => body.code === 'gateway/rate-limited').length, 14);
  });

  test('tells the same statistics and metrics whichever process is asked', async () => {
    const before = await inferences(at(0), 'e');
    for (let i = 0; i < 8; i++) await predict(at(i), `c-${i}`);

    assert.deepEqual([await inferences(at(0), 'e'), await inferences(at(1), 'e')], [before + 8, before + 8]);
    const [one, other] = await Promise.all([0, 1].map((i) => metric(at(i), 'nv_inference_count', 'model="e"')));
    assert.deepEqual([one, other], [before + 8, before + 8]);
  });

  test('loads and unloads a model in every process', async () => {
    const statuses = () => Promise.all(clients.map(async (client) => (await infer(client)).status));
    assert.deepEqual(await statuses(), [200, 200, 200, 200]);

    await at(0).call('/v2/repository/models/r/unload', {});
    assert.deepEqual(await statuses(), [404, 404, 404, 404]);

    await at(1).call('/v2/repository/models/r/load', {});
    assert.deepEqual(await statuses(), [200, 200, 200, 200]);
  });

  test('keeps an answer that is not waited for where any process finds it', async () => {
    const accepted = await Promise.all(
      clients.map((client) => client.call('/v2/models/e/infer', INFER_X, { prefer: 'respond-async' })),
    );

    for (const [i, { status, body }] of accepted.entries()) {
      assert.equal(status, 202);
      const other = at(i + 1);
      const { outputs } = await eventually('the answer is there', async () => {
        const answer = await other.call(body.result);
        return answer.status === 200 ? answer.body : undefined;
      });
      assert.deepEqual(outputs[0]?.data, [42]);
    }
    assert.equal((await at(0).call('/v2/results/none')).status, 404);
  });

  test('serves gRPC from every process', async () => {
    const before = (await processes()).map(({ connections }) => connections);
    const channels = [openGrpc(grpc), openGrpc(grpc)];
    for (const channel of channels) assert.deepEqual(await channel.ready(), { ready: true });

    const now = (await processes()).map(({ connections }) => connections);
    assert.deepEqual(
      now.map((count, i) => count - (before[i] ?? 0)),
      [1, 1],
    );
    for (const channel of channels) channel.close();
  });

  test('fails no prediction when one is killed with -9 under load, and loses no record of an answer', async () => {
    await at(0).call('/v2/repository/models/r/unload', {});
    const before = await inferences(at(0), 'e');
    const recorded = await metric(at(0), 'kedge_gateway_records_total', 'outcome="recorded"');
    const [, second] = await processes();
    const answered: string[] = [];
    const loaders = Array.from({ length: 8 }, () => new Client(url));
    let isKilled = false;
    await Promise.all(
      loaders.map(async (client, k) => {
        for (let i = 0; i < 60; i++) {
          const id = `k-${k}-${i}`;
          const { status, body } = await predict(client, id);
          assert.deepEqual([status, body.output.value], [200, 42]);
          answered.push(id);
          if (answered.length < 200 || isKilled) continue;
          isKilled = true;
          process.kill(second?.pid ?? 0, 'SIGKILL');
        }
      }),
    );
    const restarted = await eventually('the process serves again', async () => {
      const [, now] = await processes();
      return now?.state === 'serving' && now.pid !== second?.pid ? now : undefined;
    });

    assert.equal(restarted.starts, 2);
    // Only connections of the process that died break, each once.
    assert.ok(loaders.every(({ retries }) => retries <= 1));
    assert.ok(loaders.some(({ retries }) => retries === 1));
    await eventually('the connections are spread again', async () => {
      await Promise.all(loaders.map((client) => predict(client, 'again')));
      const counts = (await processes()).map(({ connections }) => connections);
      return Math.max(...counts) - Math.min(...counts) <= 4 ? true : undefined;
    });
    assert.ok(loaders.every(({ retries }) => retries <= 1));
    await at(0).call('/v1/flush', {});
    const times = new Map<string, number>();
    for (const { id } of received) times.set(id, (times.get(id) ?? 0) + 1);
    assert.deepEqual(
      answered.filter((id) => !times.has(id)),
      [],
    );
    // What was counted does not fall by what the process had counted when somebody last looked.
    assert.ok((await inferences(at(0), 'e')) >= before);
    assert.ok((await metric(at(1), 'kedge_gateway_records_total', 'outcome="recorded"')) >= recorded);
    // What clients had unloaded stays so in the new process.
    const fresh = Array.from({ length: 4 }, () => new Client(url));
    for (const client of fresh) assert.equal((await infer(client)).status, 404);
    for (const client of [...loaders, ...fresh]) client.close();
  });

  test('gives connections that are on their way to a process that dies to another', async () => {
    const [, second] = await processes();
    process.kill(second?.pid ?? 0, 'SIGSTOP');
    const waiting = Array.from({ length: 12 }, () => new Client(url));
    const answers = waiting.map((client, i) => predict(client, `w-${i}`));
    await eventually('the stopped process is given some', async () => {
      // One of the two comes to the process that answers.
      const probes = [new Client(url), new Client(url)];
      const { body } = await Promise.race(probes.map((probe) => probe.call('/v1/processes')));
      for (const probe of probes) probe.close();
      return (body.processes[1]?.connections ?? 0) > (second?.connections ?? 0) + 3 ? true : undefined;
    });

    process.kill(second?.pid ?? 0, 'SIGKILL');

    for (const { status, body } of await Promise.all(answers)) assert.deepEqual([status, body.output.value], [200, 42]);
    assert.ok(waiting.every(({ retries }) => retries === 0));
    for (const client of waiting) client.close();
    await allServe();
  });

  test('answers who connects while every process is down', async () => {
    const waiting = Array.from({ length: 4 }, () => new Client(url));
    const before = await processes();
    for (const { pid } of before) process.kill(pid ?? 0, 'SIGSTOP');
    const answers = waiting.map((client, i) => predict(client, `d-${i}`));
    for (const { pid } of before) process.kill(pid ?? 0, 'SIGKILL');

    for (const { status, body } of await Promise.all(answers)) assert.deepEqual([status, body.output.value], [200, 42]);
    assert.ok(waiting.every(({ retries }) => retries === 0));
    for (const client of waiting) client.close();
    await allServe();
  });

  test('ends when it is told to, with every process, and the next sends what each of them has recorded', async () => {
    reachable = false;
    for (let i = 0; i < 4; i++) await predict(at(i), `last-${i}`);
    assert.equal((await at(0).call('/v1/flush', {})).body.code, 'gateway/not-shipped');
    const pids = (await processes()).map(({ pid }) => pid ?? 0);
    const ended = new Promise((resolve) => gateway.once('exit', resolve));

    gateway.kill('SIGTERM');

    assert.equal(await ended, 0);
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    reachable = true;
    ({ gateway, url } = await start(1));
    const client = new Client(url);
    assert.equal((await client.call('/v1/flush', {})).status, 200);
    client.close();
    const ids = received.map(({ id }) => id).filter((id) => id.startsWith('last-'));
    assert.deepEqual(ids.sort(), ['last-0', 'last-1', 'last-2', 'last-3']);
  });
});

const NO_PROTECTION = {
  ...{ callers: null, limits: [], concurrency: null, lifecycle: null, cache: null, breaker: null, fallbacks: [] },
  whenSharedDown: 'local' as const,
};

const INFER_X = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [21] }] };

/** A channel with a connection of its own. */
function openGrpc(address: string): { ready(): Promise<unknown>; close(): void } {
  const proto = fileURLToPath(new URL('../../../serving/gateway/grpc/inference.proto', import.meta.url));
  const { GRPCInferenceService: Service } = loadPackageDefinition(loadSync(proto))['inference'] as GrpcObject;
  const options = { 'grpc.use_local_subchannel_pool': 1 };
  const client = new (Service as ServiceClientConstructor)(address, credentials.createInsecure(), options);
  return {
    ready: () =>
      new Promise((resolve, reject) => {
        client['ServerReady']?.({}, (error: Error | null, answer: unknown) =>
          error ? reject(error) : resolve(answer),
        );
      }),
    close: () => client.close(),
  };
}

function infer(client: Client): Promise<Answer> {
  const inputs = [{ name: 'features', datatype: 'FP32', shape: [1, 1], data: [1] }];
  return client.call('/v2/models/r/infer', { inputs });
}

async function metric(client: Client, name: string, label: string): Promise<number> {
  const text = String((await client.call('/metrics')).body);
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(label));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
