import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { pino } from 'pino';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openLocalLog } from '#adapters/log/local';
import { ManualClock } from '#core/clock';
import { realSystem } from '#core/system';
import type { FeaturePlan } from '#features';
import { createLogger, createMetrics } from '#platform/observe';
import type { RoutingTable } from '../routing.ts';
import { readRoutingFile, writeRoutingFile } from './routing-file.ts';
import { type GatewayOptions, startGateway } from './start-gateway.ts';
import { endpointOf, openGateway, putModel } from './testing/gateway-harness.ts';
import { logisticModel } from './testing/models.ts';

describe('the routing table kept by a gateway', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kedge-routing-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function start(more: Partial<Pick<GatewayOptions, 'system' | 'logger'>> = {}) {
    const blobs = await openFsBlobStore({ root: join(folder, 'blobs') });
    const log = await openLocalLog({ folder: join(folder, 'log') });
    const gateway = await startGateway({
      ...{ host: '127.0.0.1', port: 0, grpcPort: null, controlPlane: { url: 'http://127.0.0.1:9' } },
      ...{ routingFile: join(folder, 'routing.json'), blobs, log, system: realSystem() },
      ...{ logger: createLogger('test', 'silent'), metrics: createMetrics('test') },
      ...more,
    });
    return {
      gateway,
      async close() {
        await gateway.close();
        await log.close();
      },
    };
  }

  test('lets it start and serve while the control plane is away', async () => {
    const blobs = await openFsBlobStore({ root: join(folder, 'blobs') });
    const current = await putModel(blobs, logisticModel({ a: 1 }), { name: 'm', version: 1 });
    const table: RoutingTable = { version: 4, endpoints: { e: endpointOf('e', current) } };
    await writeRoutingFile(join(folder, 'routing.json'), table);

    const { gateway, close } = await start();
    const response = await fetch(`${gateway.url}/v1/endpoints/e/predict`, {
      method: 'POST',
      body: '{"inputs":{"a":0}}',
    });

    assert.equal(gateway.routingVersion, 4);
    const { output } = (await response.json()) as { output: { probability: number } };
    assert.equal(output.probability, 0.5);
    await close();
  });

  test('says that the control plane is away when it has been so for longer than a start takes, once', async () => {
    const clock = new ManualClock();
    const told: { readonly what: string; readonly afterMs: number }[] = [];
    const startedMs = clock.monotonic();
    const stream = {
      write: (line: string) => void told.push({ ...JSON.parse(line), afterMs: clock.monotonic() - startedMs }),
    };
    const { close } = await start({ system: { ...realSystem(), clock }, logger: pino({ level: 'warn' }, stream) });

    while (told.length === 0) await clock.advance(10);
    for (let i = 0; i < 1_000; i++) await clock.advance(100);
    await close();

    assert.deepEqual(
      told.map(({ what, afterMs }) => [what, afterMs >= 10_000]),
      [['routing table', true]],
    );
  });

  test('comes back as it was written', async () => {
    const table: RoutingTable = { version: 9, endpoints: {} };
    await writeRoutingFile(join(folder, 'deeper', 'routing.json'), table);

    assert.deepEqual(await readRoutingFile(join(folder, 'deeper', 'routing.json')), table);
    assert.equal(await readRoutingFile(join(folder, 'none.json')), undefined);
  });

  test('does not keep it from starting when it is damaged, but it is not ready', async () => {
    await writeFile(join(folder, 'routing.json'), '{"version":');

    const { gateway, close } = await start();

    assert.equal(gateway.routingVersion, -1);
    assert.equal((await fetch(`${gateway.url}/v2/health/live`)).status, 200);
    assert.equal((await fetch(`${gateway.url}/v2/health/ready`)).status, 503);
    await close();
  });
});

describe('features read online for a request', () => {
  const plan: FeaturePlan = {
    views: [
      {
        name: 'aircraft',
        keys: ['tail'],
        time: 'known',
        horizonMs: 1,
        features: [
          { name: 'flights', aggregate: 'count', windowMs: 1 },
          { name: 'delay', aggregate: 'mean', column: 'd', windowMs: 1 },
        ],
      },
    ],
  };
  const asked: unknown[] = [];
  const open = (answer: (tail: string | undefined) => number[] | Promise<number[]>) =>
    openGateway({
      features: {
        read(_plan, entities, at) {
          asked.push([entities, at]);
          return answer(entities['tail']);
        },
      },
      table: async (put) => {
        const current = await put(logisticModel({ a: 1, delay: 1 }), 'm', 1);
        return { version: 1, endpoints: { e: endpointOf('e', current, { features: plan }) } };
      },
    });

  test('are looked up by entity and time, scored, answered and recorded', async () => {
    for (const wrap of [(row: number[]) => row, async (row: number[]) => row]) {
      const harness = await open(() => wrap([12, 2]));

      const { body } = await harness.post('/v1/endpoints/e/predict', {
        id: 'r',
        at: 500,
        entities: { tail: 'N1' },
        inputs: { a: 1 },
      });
      await harness.gateway.flush();

      assert.ok(Math.abs(body.output.probability - 1 / (1 + Math.exp(-3))) < 1e-6);
      assert.deepEqual(body.features, { delay: 2 });
      assert.deepEqual(asked.at(-1), [{ tail: 'N1' }, 500]);
      assert.deepEqual(harness.controlPlane.records[0]?.numeric, [1, 2]);
      await harness.close();
    }
  });

  test('are not taken from the request, and an entity that is missing is named', async () => {
    const harness = await open(() => [12, 2]);
    const fields = async (body: unknown) => (await harness.post('/v1/endpoints/e/predict', body)).body.fields[0].path;

    assert.equal(await fields({ entities: { tail: 'N1' }, inputs: { a: 1, delay: 3 } }), 'inputs.delay');
    assert.equal(await fields({ inputs: { a: 1 } }), 'entities.tail');
    await harness.close();
  });

  test('that cannot be read refuse the request instead of being guessed', async () => {
    const harness = await open(() => Promise.reject(new Error('the store is away')));

    const { status, body } = await harness.post('/v1/endpoints/e/predict', {
      entities: { tail: 'N1' },
      inputs: { a: 1 },
    });

    assert.deepEqual([status, body.code], [503, 'gateway/features-unavailable']);
    await harness.close();
  });
});
