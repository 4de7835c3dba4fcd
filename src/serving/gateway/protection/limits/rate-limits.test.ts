import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { openRedis } from '#adapters/state/redis';
import { ManualClock } from '#core/clock';
import type { SharedState, TokenTake } from '#ports/shared-state';
import { protectionSpec } from '../../../protection-spec.ts';
import { loadService } from '../../grpc/service.ts';
import { endpointOf, type GatewayHarness, openGateway } from '../../testing/gateway-harness.ts';
import { logisticModel } from '../../testing/models.ts';
import { RateLimits } from './rate-limits.ts';

const limit = (per: 'caller' | 'tenant' | 'endpoint', burst: number, counts: 'requests' | 'rows' = 'requests') => ({
  ...{ per, burst, counts },
  perSecond: 0.001,
});

/** State that is shared within the test; it can be away as a server can. */
class TestState implements SharedState {
  isAway = false;
  readonly #limits = new Map<string, number>();

  async takeTokens(takes: readonly TokenTake[]) {
    if (this.isAway) throw new Error('away');
    const place = takes.findIndex(({ key, burst, tokens }) => (this.#limits.get(key) ?? burst) < tokens);
    if (place >= 0) return { taken: false, place, waitMs: 5_000 } as const;
    for (const { key, burst, tokens } of takes) this.#limits.set(key, (this.#limits.get(key) ?? burst) - tokens);
    return { taken: true } as const;
  }
  async get(): Promise<undefined> {}
  async set(): Promise<void> {}
  async close(): Promise<void> {}
}

function limitsOf(limits: ConstructorParameters<typeof RateLimits>[0]['limits'], shared?: SharedState, refuse = false) {
  let down = 0;
  const clock = new ManualClock();
  const rates = new RateLimits({
    ...{ endpoint: 'delays', limits, clock, shared, whenSharedDown: refuse ? 'refuse' : 'local' },
    onSharedDown: () => {
      down += 1;
    },
  });
  const admits = async (id: string | undefined, rows = 1, tenant?: string): Promise<string> => {
    try {
      await rates.admit({ caller: id === undefined ? undefined : { id, groups: [], tenant }, rows });
      return 'in';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  return { rates, admits, clock, downs: () => down };
}

test('each caller, each tenant and the endpoint as a whole have a bucket of their own', async () => {
  const { admits, clock } = limitsOf([limit('caller', 2), limit('tenant', 3), limit('endpoint', 5)]);
  const outcomes: string[] = [];
  for (const [id, tenant] of [
    ['a', 'x'],
    ['a', 'x'],
    ['a', 'x'],
    ['b', 'x'],
    ['c', 'x'],
    ['c', 'y'],
    ['d', 'y'],
    ['e', 'z'],
  ] as const) {
    outcomes.push(await admits(id, 1, tenant));
  }

  const no = 'gateway/rate-limited';
  // The third of a, the fourth of x and the sixth of all are too many.
  assert.deepEqual(outcomes, ['in', 'in', no, 'in', no, 'in', 'in', no]);
  await clock.advance(1_000_000);
  assert.equal(await admits('e', 1, 'z'), 'in');
});

test('rows are counted where that is declared, and a request that can never pass is told so', async () => {
  const { admits } = limitsOf([limit('caller', 10, 'rows')]);

  assert.deepEqual(
    [await admits('a', 9), await admits('a', 2), await admits('a', 1)],
    ['in', 'gateway/rate-limited', 'in'],
  );
  assert.equal(await admits('b', 11), 'gateway/invalid-request');
});

test('without the shared state each gateway goes by its own count or refuses, as declared', async () => {
  const state = new TestState();
  const [local, other, strict] = [
    limitsOf([limit('endpoint', 2)], state),
    limitsOf([limit('endpoint', 2)], state),
    limitsOf([limit('endpoint', 2)], state, true),
  ];

  assert.deepEqual([await local.admits('a'), await other.admits('a')], ['in', 'in']);
  assert.equal(await strict.admits('a'), 'gateway/rate-limited');
  state.isAway = true;
  assert.equal(await strict.admits('a'), 'gateway/limits-unavailable');
  const alone = [await local.admits('a'), await local.admits('a'), await local.admits('a')];
  assert.deepEqual(alone, ['in', 'in', 'gateway/rate-limited']);
  assert.deepEqual([local.downs(), strict.downs()], [3, 1]);
  state.isAway = false;
  assert.equal(await strict.admits('a'), 'gateway/rate-limited');
});

test('who has nothing left is refused before the body, by the count here or by what was last told', async () => {
  const state = new TestState();
  for (const { rates, admits } of [limitsOf([limit('caller', 1)]), limitsOf([limit('caller', 1)], state)]) {
    const caller = (id: string) => ({ id, groups: [], tenant: undefined });
    assert.doesNotThrow(() => rates.glance(caller('a')));
    assert.equal(await admits('a'), 'in');
    assert.equal(await admits('a'), 'gateway/rate-limited');

    assert.throws(() => rates.glance(caller('a')), { code: 'gateway/rate-limited' });
    assert.doesNotThrow(() => rates.glance(caller('b')));
  }
});

describe('rate limits in every protocol', () => {
  let harness: GatewayHarness;
  before(async () => {
    harness = await openGateway({
      grpcPort: 0,
      table: async (put) => {
        const arm = await put(logisticModel({ a: 1 }), 'delay', 1);
        const protection = protectionSpec.parse({ limits: [limit('endpoint', 1)] });
        const closed = protectionSpec.parse({ callers: ['user:nobody'] });
        const names = ['rest', 'oip', 'mlflow', 'grpc'].map((name) => [name, endpointOf(name, arm, { protection })]);
        const guarded = await put(logisticModel({ a: 2 }), 'guarded', 1);
        return {
          version: 1,
          endpoints: {
            ...Object.fromEntries(names),
            closed: endpointOf('closed', guarded, { protection: closed }),
            few: endpointOf('few', guarded, { protection: protectionSpec.parse({ limits: [limit('endpoint', 2)] }) }),
          },
        };
      },
    });
  });
  after(() => harness.close());

  const tensors = [{ name: 'a', datatype: 'FP32', shape: [1], data: [1] }];
  for (const [name, path, body] of [
    ['rest', '/v1/endpoints/rest/predict', { inputs: { a: 1 } }],
    ['oip', '/v2/models/oip/infer', { inputs: tensors }],
    ['mlflow', '/endpoints/mlflow/invocations', { instances: [{ a: 1 }] }],
  ] as const) {
    test(`${name}: 429 that says when to come again`, async () => {
      const post = () => fetch(harness.gateway.url + path, { method: 'POST', body: JSON.stringify(body) });
      assert.equal((await post()).status, 200);
      const refused = await post();
      assert.equal(refused.status, 429);
      assert.equal(Number(refused.headers.get('retry-after')), 1_000);
      assert.match(await refused.text(), /takes 0\.001 requests a second, after a pause at most 1 at once/);
      assert.match(await answerWithoutBody(harness.gateway.url, path), /^HTTP\/1\.1 429 /);
    });
  }

  test('gRPC: RESOURCE_EXHAUSTED with the pause for clients that come again by themselves', async () => {
    const { ModelInfer: infer } = await loadService();
    assert.ok(infer);
    const client = new Client(harness.gateway.grpcAddress ?? '', credentials.createInsecure());
    const message = {
      model_name: 'grpc',
      inputs: [{ name: 'a', datatype: 'FP32', shape: ['1'], contents: { fp32_contents: [1] } }],
    };
    const call = (): Promise<ServiceError | null> =>
      new Promise((resolve) => {
        const { path, requestSerialize, responseDeserialize } = infer;
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, (error) => resolve(error));
      });
    assert.equal(await call(), null);
    const refused = await call();
    assert.equal(refused?.code, 8);
    assert.deepEqual(refused?.metadata.get('grpc-retry-pushback-ms'), ['1000000']);
    client.close();
  });

  test('a version that is addressed without its endpoint needs the leave of one, and counts there', async () => {
    const version = (name: string) => harness.post(`/v2/models/${name}/versions/1/infer`, { inputs: tensors });

    const codes = [
      (await version('guarded')).status,
      (await version('guarded')).status,
      (await version('guarded')).status,
    ];
    assert.deepEqual(codes, [200, 200, 429]);
    assert.equal((await harness.post('/v2/models/few/infer', { inputs: tensors })).status, 429);
    // Each of the four endpoints of this one has had its only request.
    assert.equal((await harness.post('/v2/models/delay/versions/1/infer', { inputs: tensors })).status, 429);
  });

  test('an endpoint with a list of callers refuses all others, and refusals are counted by their code', async () => {
    const { status, body } = await harness.post('/v1/endpoints/closed/predict', { inputs: { a: 1 } });
    assert.deepEqual([status, body.code], [403, 'gateway/forbidden']);
    const metrics = await (await fetch(`${harness.gateway.url}/metrics`)).text();
    assert.match(metrics, /kedge_gateway_refusals_total\{code="gateway\/forbidden",role="test"\} 1/);
  });
});

/** What a server answers who has sent the head of a request and not yet its body. */
async function answerWithoutBody(url: string, path: string): Promise<string> {
  const { hostname, port } = new globalThis.URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`POST ${path} HTTP/1.1\r\nHost: ${hostname}\r\nContent-Length: 1000\r\n\r\n`);
  const [first] = await once(socket, 'data');
  socket.destroy();
  return String(first);
}

const URL = process.env['KEDGE_TEST_REDIS_URL'];
test('two gateways with one Redis keep one limit', {
  skip: URL ? false : 'KEDGE_TEST_REDIS_URL names no Redis',
}, async () => {
  const prefix = `kedge-test:${process.pid}:${performance.now()}:`;
  const states = [0, 1].map(() => openRedis({ url: URL ?? '', prefix, timeoutMs: 30_000 }));
  for (const state of states) {
    while (
      !(await state.set('ready', new Uint8Array(1), 60_000).then(
        () => true,
        () => false,
      ))
    )
      await new Promise(setImmediate);
  }
  const table: Parameters<typeof openGateway>[0]['table'] = async (put) => {
    const protection = protectionSpec.parse({ limits: [limit('endpoint', 7)] });
    return {
      version: 1,
      endpoints: { e: endpointOf('e', await put(logisticModel({ a: 1 }), 'm', 1), { protection }) },
    };
  };
  const gateways = await Promise.all(states.map((shared) => openGateway({ shared, table })));
  const calls = Array.from({ length: 20 }, (_, i) =>
    (gateways[i % 2] as GatewayHarness).post('/v1/endpoints/e/predict', { inputs: { a: 1 } }),
  );
  const answers = await Promise.all(calls);

  assert.equal(answers.filter(({ status }) => status === 200).length, 7);
  assert.equal(answers.filter(({ status }) => status === 429).length, 13);
  for (const gateway of gateways) await gateway.close();
  for (const state of states) await state.close();
});
