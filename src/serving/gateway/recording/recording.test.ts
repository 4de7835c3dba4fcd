import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { pino } from 'pino';
import { openLocalLogReader } from '#adapters/log/local';
import { endpointOf, type GatewayHarness, type HarnessOptions, openGateway } from '../testing/gateway-harness.ts';
import { categoryModel, logisticModel } from '../testing/models.ts';
import { decodeEntries } from './entry-codec.ts';

describe('what a gateway records', () => {
  let harness: GatewayHarness;
  afterEach(() => harness.close());

  const open = async (more: Partial<HarnessOptions> = {}): Promise<void> => {
    harness = await openGateway({
      table: async (put) => ({
        version: 1,
        endpoints: {
          kinds: endpointOf('kinds', await put(categoryModel(), 'kind', 4)),
          delays: endpointOf('delays', await put(logisticModel({ a: 1 }), 'delay', 1)),
        },
      }),
      ...more,
    });
  };
  const predict = (id: string, a = 1) => harness.post('/v1/endpoints/delays/predict', { id, inputs: { a } });
  const ids = (): string[] => harness.controlPlane.records.map(({ id }) => id).sort();

  test('is the row as the model got it, with its entities and both times', async () => {
    await open();

    await harness.post('/v1/endpoints/kinds/predict', {
      id: 'r',
      at: 5_000,
      entities: { tail: 'N1' },
      inputs: { c: 'b', x: 2.5 },
    });
    await harness.gateway.flush();

    const [record] = harness.controlPlane.records;
    assert.ok(record);
    const { receivedAt, latencyUs, ...rest } = record;
    assert.deepEqual(rest, {
      id: 'r',
      endpoint: 'kinds',
      at: 5_000,
      revision: 'kind@4',
      arm: 'current',
      score: 4.5,
      propensity: 1,
      numeric: [2.5],
      categories: ['b'],
      entities: { tail: 'N1' },
    });
    assert.ok(receivedAt > 1_600_000_000_000 && latencyUs > 0 && latencyUs < 10_000_000);
  });

  test('is shipped by itself, and flush tells how many were left', async () => {
    await open();

    await Promise.all(Array.from({ length: 100 }, (_, i) => predict(`r-${i}`)));
    const response = await harness.post('/v1/flush', {});

    assert.equal(response.status, 200);
    assert.equal(typeof response.body.shipped, 'number');
    assert.equal(new Set(ids()).size, 100);
  });

  test('with a delay, is there for a flush, and in the log after a close', async () => {
    await open({ limits: { recordDelayMs: 1_000 } });
    await predict('flushed');
    await harness.gateway.flush();
    assert.deepEqual(ids(), ['flushed']);

    harness.controlPlane.onPredictions = () => 503;
    await predict('closed');
    await harness.gateway.close();
    const reader = openLocalLogReader({ folder: join(harness.folder, 'log') });
    const { records } = await reader.read({ after: 0 });
    await reader.close();
    const entries = records.flatMap(({ data }) => decodeEntries(data));
    assert.deepEqual(
      entries.map((entry) => 'prediction' in entry && entry.prediction.id),
      ['flushed', 'closed'],
    );
  });

  test('waits while the control plane is away, and none is lost or sent twice', async () => {
    await open();
    harness.controlPlane.onPredictions = () => 503;
    for (let i = 0; i < 20; i++) await predict(`r-${i}`);
    assert.deepEqual(ids(), []);

    harness.controlPlane.onPredictions = () => 200;
    await harness.gateway.flush();

    assert.equal(ids().length, 20);
    assert.equal(new Set(ids()).size, 20);
  });

  test('a flush that cannot send says so to whoever asked, and is no error of the gateway', async () => {
    const written: { readonly level: number; readonly msg: string }[] = [];
    const line = (text: string): void => void written.push(JSON.parse(text));
    await open({ logger: pino({ level: 'error' }, { write: line }) });
    harness.controlPlane.onPredictions = () => 503;
    await predict('r');

    const { status, body } = await harness.post('/v1/flush', {});

    assert.deepEqual([status, body.code], [503, 'gateway/not-shipped']);
    assert.deepEqual(written, []);
  });

  test('a record that the control plane refuses holds up no other', async () => {
    await open();
    harness.controlPlane.onPredictions = (records) => (records.some(({ id }) => id === 'bad') ? 400 : 200);

    await Promise.all(['a', 'b', 'bad', 'c', 'd'].map((id) => predict(id)));
    await harness.gateway.flush();

    assert.deepEqual(ids(), ['a', 'b', 'c', 'd']);
  });

  test('is dropped and counted past the limit of the queue, and requests are answered all the same', async () => {
    await open({ limits: { recordQueueMax: 5 } });
    harness.controlPlane.onPredictions = () => 503;

    for (let i = 0; i < 8; i++) assert.equal((await predict(`r-${i}`)).status, 200);

    const metrics = await (await fetch(`${harness.gateway.url}/metrics`)).text();
    assert.match(metrics, /kedge_gateway_records_total\{[^}]*outcome="dropped"[^}]*\} 3/);
    harness.controlPlane.onPredictions = () => 200;
    await harness.gateway.flush();
    assert.equal(ids().length, 5);
  });

  test('is sent whole where it is more than is made ready at a time', async () => {
    const numbers = { at: 1, receivedAt: 1, score: 0.5, propensity: 1, latencyUs: 1, categories: [] };
    const inherited = Array.from({ length: 1_001 }, (_, i) => ({
      prediction: {
        id: `left-${i}`,
        endpoint: 'delays',
        revision: 'delay@1',
        arm: 'current',
        ...numbers,
        numeric: [i],
      },
    }));
    await open({ inherited });

    await harness.gateway.flush();

    assert.deepEqual(
      harness.controlPlane.records,
      inherited.map(({ prediction }) => prediction),
    );
  });

  test('counts what a process that is gone has left among what waits, and makes room when it is sent', async () => {
    const numbers = { at: 1, receivedAt: 1, score: 0.5, propensity: 1, latencyUs: 1, numeric: [1], categories: [] };
    const inherited = ['left-1', 'left-2', 'left-3'].map((id) => ({
      prediction: { id, endpoint: 'delays', revision: 'delay@1', arm: 'current', ...numbers },
    }));
    await open({ limits: { recordQueueMax: 5 }, inherited, onPredictions: () => 503 });
    await assert.rejects(harness.gateway.flush());
    for (let i = 0; i < 4; i++) await predict(`r-${i}`);

    harness.controlPlane.onPredictions = () => 200;
    await harness.gateway.flush();
    assert.deepEqual(ids(), ['left-1', 'left-2', 'left-3', 'r-0', 'r-1']);

    for (let i = 4; i < 8; i++) await predict(`r-${i}`);
    await harness.gateway.flush();
    assert.equal(ids().length, 9);
  });

  test('a request that was refused is not recorded', async () => {
    await open();

    await harness.post('/v1/endpoints/delays/predict', { id: 'r', inputs: {} });
    await predict('good');
    await harness.gateway.flush();

    assert.deepEqual(ids(), ['good']);
  });
});
