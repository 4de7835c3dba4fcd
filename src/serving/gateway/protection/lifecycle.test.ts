import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, credentials, type Metadata } from '@grpc/grpc-js';
import { protectionSpec } from '../../protection-spec.ts';
import { loadService } from '../grpc/service.ts';
import { endpointOf, type GatewayHarness, openGateway } from '../testing/gateway-harness.ts';
import { logisticModel } from '../testing/models.ts';

test('an endpoint is not given up before it is deprecated, and its page is a page', () => {
  const parse = (lifecycle: object) => protectionSpec.safeParse({ lifecycle }).success;

  assert.equal(parse({ deprecated: '2026-05-01T00:00:00Z', sunset: '2026-06-01T00:00:00+02:00' }), true);
  assert.equal(parse({ deprecated: '2026-05-01T00:00:00Z', sunset: '2026-04-01T00:00:00Z' }), false);
  assert.equal(parse({ deprecated: '2026-05-01' }), false);
  assert.equal(parse({ deprecated: '2026-05-01T00:00:00Z', link: 'javascript:alert(1)' }), false);
});

describe('an endpoint on its way out', () => {
  let harness: GatewayHarness;
  before(async () => {
    harness = await openGateway({
      grpcPort: 0,
      table: async (put) => {
        const arm = await put(logisticModel({ a: 1 }), 'm', 1);
        const deprecated = '2026-01-01T00:00:00Z';
        const old = {
          ...{ deprecated, sunset: '2999-12-31T23:59:59Z' },
          ...{ link: 'https://bank.example/v2', successor: 'risk-v2' },
        };
        const protect = (lifecycle: object) => ({ protection: protectionSpec.parse({ lifecycle }) });
        return {
          version: 1,
          endpoints: {
            'risk-v0': endpointOf('risk-v0', arm, protect({ deprecated, sunset: deprecated, successor: 'risk-v2' })),
            'risk-v1': endpointOf('risk-v1', arm, protect(old)),
            'risk-v2': endpointOf('risk-v2', arm),
          },
        };
      },
    });
  });
  after(() => harness.close());

  const tensors = { inputs: [{ name: 'a', datatype: 'FP32', shape: [1], data: [1] }] };
  const calls = (name: string): readonly (readonly [string, object])[] => [
    [`/v1/endpoints/${name}/predict`, { inputs: { a: 1 } }],
    [`/v2/models/${name}/infer`, tensors],
    [`/endpoints/${name}/invocations`, { instances: [{ a: 1 }] }],
  ];
  const post = ([path, body]: readonly [string, object]) =>
    fetch(harness.gateway.url + path, { method: 'POST', body: JSON.stringify(body) });

  test('answers with the headers of RFC 9745 and RFC 8594 in every protocol over HTTP', async () => {
    for (const call of calls('risk-v1')) {
      const { status, headers } = await post(call);
      assert.equal(status, 200);
      assert.equal(headers.get('deprecation'), '@1767225600');
      assert.equal(headers.get('sunset'), 'Tue, 31 Dec 2999 23:59:59 GMT');
      assert.equal(
        headers.get('link'),
        '<https://bank.example/v2>; rel="deprecation"; type="text/html", ' +
          '</v1/endpoints/risk-v2/predict>; rel="successor-version"',
      );
    }
    for (const call of calls('risk-v2')) assert.equal((await post(call)).headers.get('deprecation'), null);
  });

  test('answers nobody after its sunset, and says what to use', async () => {
    for (const call of calls('risk-v0')) {
      const response = await post(call);
      assert.equal(response.status, 410);
      assert.match(await response.text(), /use 'risk-v2'/);
    }
  });

  test('says the same over gRPC in metadata', async () => {
    const { ModelInfer: infer } = await loadService();
    assert.ok(infer);
    const client = new Client(harness.gateway.grpcAddress ?? '', credentials.createInsecure());
    const inputs = [{ name: 'a', datatype: 'FP32', shape: ['1'], contents: { fp32_contents: [1] } }];
    const { path, requestSerialize, responseDeserialize } = infer;
    const call = (model: string): Promise<{ readonly metadata: Metadata; readonly code: number }> =>
      new Promise((resolve, reject) => {
        let metadata: Metadata | undefined;
        const message = { model_name: model, inputs };
        const unary = client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, (error) => {
          if (metadata) resolve({ metadata, code: error?.code ?? 0 });
          else reject(error ?? new Error('an answer without metadata'));
        });
        unary.on('metadata', (received: Metadata) => {
          metadata = received;
        });
      });

    const old = await call('risk-v1');
    assert.deepEqual([old.code, old.metadata.get('deprecation')], [0, ['@1767225600']]);
    assert.equal((await call('risk-v0')).code, 9);
    client.close();
  });
});
