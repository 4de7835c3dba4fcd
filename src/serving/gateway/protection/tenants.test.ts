import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import fc from 'fast-check';
import { protectionSpec } from '../../protection-spec.ts';
import type { RoutedEndpoint } from '../../routing.ts';
import { endpointOf, openGateway } from '../testing/gateway-harness.ts';
import { logisticModel } from '../testing/models.ts';
import { type TenantRule, tenantOf, tenantRuleOf } from './tenants.ts';

const TENANTS = 1_000;
const rules = { header: 'header:X-Tenant', path: 'path', host: 'host:ml.localhost' } as const;

test('a rule is read from its text, and others are none', () => {
  assert.deepEqual(tenantRuleOf('header:X-Tenant'), { by: 'header', header: 'x-tenant' });
  assert.deepEqual(tenantRuleOf('path'), { by: 'path' });
  assert.deepEqual(tenantRuleOf('host:ml.bank.example'), { by: 'host', domain: '.ml.bank.example' });
  for (const text of ['', 'header', 'header:', 'header:a b', 'path:x', 'cookie:x', 'host:']) {
    assert.equal(tenantRuleOf(text), undefined, text);
  }
});

test('whatever a request says, its tenant is a name that cannot reach into another, or it is refused', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[A-Za-z0-9.-]{0,60}$/));
  fc.assert(
    fc.property(fc.constantFrom(...Object.values(rules)), text, (rule, given) => {
      try {
        const { tenant } = tenantOf(tenantRuleOf(rule) as TenantRule, `/t/${given}/v2/x`, (name) =>
          name === 'host' ? `${given}.ml.localhost:80` : given,
        );
        assert.ok(tenant === undefined || /^[a-z0-9-]{1,50}$/.test(tenant));
      } catch (error) {
        assert.equal((error as { code: string }).code, 'gateway/invalid-request');
      }
    }),
  );
});

for (const [by, text] of Object.entries(rules)) {
  test(`a thousand tenants, told apart by ${by}, get their own endpoint or the one that all share`, async () => {
    const limits = [{ per: 'tenant' as const, perSecond: 0.001, burst: 1 }];
    const harness = await openGateway({
      tenants: tenantRuleOf(text),
      access: { kind: 'open' },
      table: async (put) => {
        const arms = await Promise.all([0, 1, 2].map((w) => put(logisticModel({ x: w }), `m-${w}`, 1)));
        const endpoints: Record<string, RoutedEndpoint> = {};
        for (let i = 0; i < TENANTS; i++) {
          const arm = arms[i % 3];
          assert.ok(arm);
          endpoints[`t${i}.risk`] = endpointOf(`t${i}.risk`, arm);
        }
        const [shared] = arms;
        assert.ok(shared);
        endpoints['risk'] = endpointOf('risk', shared);
        endpoints['few'] = endpointOf('few', shared, { protection: protectionSpec.parse({ limits }) });
        return { version: 1, endpoints };
      },
    });
    const { hostname, port } = new URL(harness.gateway.url);
    const post = (tenant: string, path: string, body: object): Promise<{ status: number; text: string }> =>
      new Promise((resolve, reject) => {
        const headers = {
          ...(by === 'header' && tenant ? { 'x-tenant': tenant } : {}),
          host: by === 'host' && tenant ? `${tenant}.ml.localhost:${port}` : `127.0.0.1:${port}`,
        };
        const prefix = by === 'path' && tenant ? `/t/${tenant}` : '';
        const sent = request({ hostname, port, path: prefix + path, method: 'POST', headers }, async (response) => {
          let text = '';
          for await (const chunk of response) text += chunk;
          resolve({ status: response.statusCode ?? 0, text });
        });
        sent.on('error', reject).end(JSON.stringify(body));
      });
    const tensors = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }] };
    for (let i = 0; i < TENANTS; i += 101) {
      for (const [path, body] of [
        ['/v1/endpoints/risk/predict', { inputs: { x: 1 } }],
        ['/v2/models/risk/infer', tensors],
        ['/endpoints/risk/invocations', { instances: [{ x: 1 }] }],
      ] as const) {
        const { status, text } = await post(`t${i}`, path, body);
        assert.equal(status, 200, text);
        const score = [0.5, 0.7310585, 0.880797][i % 3] as number;
        assert.ok(text.includes(String(score).slice(0, 6)), `t${i}: ${text}`);
      }
    }
    const shared = await post('', '/v1/endpoints/risk/predict', { inputs: { x: 1 } });
    assert.match(shared.text, /"endpoint":"risk"/);
    assert.match(
      (await post('stranger', '/v1/endpoints/risk/predict', { inputs: { x: 1 } })).text,
      /"endpoint":"risk"/,
    );
    const few = (tenant: string) => post(tenant, '/v1/endpoints/few/predict', { inputs: { x: 1 } });
    const statuses = [];
    for (const tenant of ['a', 'a', 'b', 'b']) statuses.push((await few(tenant)).status);
    assert.deepEqual(statuses, [200, 429, 200, 429]);
    assert.equal((await post('a.b', '/v1/endpoints/risk/predict', { inputs: { x: 1 } })).status, 400);
    await harness.close();
  });
}
