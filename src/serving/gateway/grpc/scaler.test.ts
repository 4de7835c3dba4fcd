import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ClientReadableStream, credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { load } from '@grpc/proto-loader';
import { endpointOf, type GatewayHarness, openGateway } from '../testing/gateway-harness.ts';
import { logisticModel } from '../testing/models.ts';

type Metadata = Readonly<Record<string, string>>;
type Reply<T> = (error: ServiceError | null, answer: T) => void;

/** The client that KEDA's operator has, from the text of the protocol. */
interface Scaler {
  IsActive(ref: object, reply: Reply<{ result: boolean }>): void;
  StreamIsActive(ref: object): ClientReadableStream<{ result: boolean }>;
  GetMetricSpec(ref: object, reply: Reply<{ metricSpecs: Spec[] }>): void;
  GetMetrics(request: object, reply: Reply<{ metricValues: Value[] }>): void;
  close(): void;
}
interface Spec {
  readonly metricName: string;
  readonly targetSize: string;
  readonly targetSizeFloat: number;
}
interface Value {
  readonly metricName: string;
  readonly metricValue: string;
  readonly metricValueFloat: number;
}

const refOf = (scalerMetadata: Metadata) => ({ name: 'gateway', namespace: 'default', scalerMetadata });

describe('the external scaler', () => {
  let harness: GatewayHarness;
  let scaler: Scaler;

  before(async () => {
    harness = await openGateway({
      grpcPort: 0,
      table: async (put) => ({
        version: 1,
        endpoints: { e: endpointOf('e', await put(logisticModel({ a: 1 }), 'm', 1)) },
      }),
    });
    const path = fileURLToPath(new URL('./externalscaler.proto', import.meta.url));
    const definition = loadPackageDefinition(await load(path, { keepCase: true, longs: String, defaults: true }));
    const { ExternalScaler } = definition['externalscaler'] as object as {
      ExternalScaler: new (address: string, credentials: object) => Scaler;
    };
    scaler = new ExternalScaler(harness.gateway.grpcAddress ?? '', credentials.createInsecure());
  });
  after(async () => {
    scaler.close();
    await harness.close();
  });

  const spec = (metadata: Metadata) =>
    new Promise<Spec>((resolve, reject) =>
      scaler.GetMetricSpec(refOf(metadata), (error, answer) =>
        error ? reject(error) : resolve(answer.metricSpecs[0] as Spec),
      ),
    );
  const metric = (metadata: Metadata) =>
    new Promise<Value>((resolve, reject) =>
      scaler.GetMetrics({ scaledObjectRef: refOf(metadata), metricName: 'the-name' }, (error, answer) =>
        error ? reject(error) : resolve(answer.metricValues[0] as Value),
      ),
    );
  const active = (metadata: Metadata) =>
    new Promise<boolean>((resolve, reject) =>
      scaler.IsActive(refOf(metadata), (error, answer) => (error ? reject(error) : resolve(answer.result))),
    );

  test('it names its metrics and targets, and tells each value under the name it is asked by', async () => {
    const { metricName, targetSize, targetSizeFloat } = await spec({ endpoint: 'e' });
    assert.deepEqual([metricName, targetSize, targetSizeFloat], ['kedge-concurrency-e', '10', 10]);
    assert.equal((await spec({ endpoint: 'e', signal: 'utilization', target: '0.6' })).targetSizeFloat, 0.6);
    for (let i = 0; ; i++) {
      await harness.post('/v1/endpoints/e/predict', { inputs: { a: 1 } });
      const { metricName: name, metricValue, metricValueFloat } = await metric({ endpoint: 'e', signal: 'rate' });
      if (metricValueFloat === 0 && i < 2_000) continue;
      assert.equal(name, 'the-name');
      assert.equal(Number(metricValue), Math.ceil(metricValueFloat));
      assert.ok(metricValueFloat > 0);
      break;
    }
    for (const signal of ['concurrency', 'queue', 'utilization', 'forecast']) {
      const { metricValueFloat } = await metric({ endpoint: 'e', signal });
      assert.ok(metricValueFloat >= 0 && Number.isFinite(metricValueFloat), signal);
    }
    const text = await (await fetch(`${harness.gateway.url}/metrics`)).text();
    assert.match(text, /kedge_scaling_concurrency\{endpoint="e"\} /);
  });

  test('one that was just asked is active, and one that nobody asks may go, unary and as a stream', async () => {
    const hurried = { endpoint: 'e', idleAfter: '0s', coldStartMax: '1h', horizon: '1ms' };
    assert.equal(await active({ endpoint: 'e', idleAfter: '1h' }), true);
    assert.equal(await active(hurried), false);
    assert.equal(await active({ ...hurried, coldStartMax: '0ms' }), true);
    const stream = scaler.StreamIsActive(refOf(hurried));
    const [first] = (await new Promise((resolve) => stream.once('data', (data) => resolve([data])))) as [object];
    assert.deepEqual(first, { result: false });
    stream.on('error', () => {});
    stream.cancel();
  });

  test('what it cannot tell is an error with a code of gRPC and the field at fault', async () => {
    await assert.rejects(metric({ endpoint: 'nobody' }), { code: 5 });
    await assert.rejects(active({}), { code: 3, details: /scalerMetadata.endpoint/ });
    const stream = scaler.StreamIsActive(refOf({ endpoint: 'e', signal: 'cpu' }));
    const error = await new Promise<ServiceError>((resolve) => stream.once('error', resolve).resume());
    assert.equal(error.code, 3);
    assert.match(error.details, /signal/);
  });
});
