import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '#core/clock';
import { digestOf } from '#core/hash';
import type { SharedState } from '#ports/shared-state';
import { protectionSpec } from '../../../protection-spec.ts';
import { liveArm } from '../../live-endpoint.ts';
import { endpointOf, type GatewayHarness, openGateway } from '../../testing/gateway-harness.ts';
import { logisticModel } from '../../testing/models.ts';
import { callOip } from '../../testing/open-inference-call.ts';
import { AnswerCache, answerKey } from './answer-cache.ts';

const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'value' as const };
const armOf = (version: number, content = `${version}`) =>
  liveArm({ revision: `m@${version}`, model: 'm', version, digest: digestOf(content), signature });

/** State that two gateways share within the test. */
class TestState implements SharedState {
  readonly kept = new Map<string, Uint8Array>();
  isAway = false;
  async takeTokens() {
    return { taken: true } as const;
  }
  async get(key: string) {
    if (this.isAway) throw new Error('away');
    return this.kept.get(key);
  }
  async set(key: string, value: Uint8Array) {
    if (this.isAway) throw new Error('away');
    this.kept.set(key, value);
  }
  async close() {}
}

function open({ shared, entriesMax = 100 }: { readonly shared?: SharedState; readonly entriesMax?: number } = {}) {
  const clock = new ManualClock();
  const looks: string[] = [];
  const cache = new AnswerCache({
    ...{ ttlMs: 1_000, entriesMax, duringRollouts: false, clock, shared },
    onSharedDown: () => looks.push('down'),
    onLook: (outcome) => looks.push(outcome),
  });
  return { cache, clock, looks };
}

test('rows share an answer exactly when the model cannot tell them apart', () => {
  const row = fc.record({
    numeric: fc.array(fc.oneof(fc.double(), fc.float()), { maxLength: 4 }),
    categories: fc.array(fc.string(), { maxLength: 3 }),
  });
  fc.assert(
    fc.property(row, row, fc.boolean(), (a, b, same) => {
      const other = same ? { numeric: a.numeric.map(Math.fround), categories: [...a.categories] } : b;
      const bits = ({ numeric, categories }: typeof a): string =>
        JSON.stringify([[...new Uint32Array(Float32Array.from(numeric).buffer)], categories]);

      assert.equal(answerKey(armOf(1), a) === answerKey(armOf(1), other), bits(a) === bits(other));
      assert.notEqual(answerKey(armOf(1), a), answerKey(armOf(2), a));
      assert.notEqual(answerKey(armOf(1, 'x'), a), answerKey(armOf(1, 'y'), a));
    }),
  );
});

test('an answer is kept for its time and not longer, and the least recently used leave', async () => {
  const { cache, clock, looks } = open({ entriesMax: 2 });
  cache.keep('a', 1);
  cache.keep('b', 2);
  assert.deepEqual(cache.find(['a', 'b', 'c']), [1, 2, undefined]);
  cache.find(['a']);
  cache.keep('c', 3);
  assert.deepEqual(cache.find(['a', 'b', 'c']), [1, undefined, 3]);
  await clock.advance(1_000);
  assert.deepEqual(cache.find(['a', 'c']), [undefined, undefined]);
  assert.deepEqual(looks.slice(0, 4), ['hit', 'hit', 'miss', 'hit']);
});

test('gateways answer from what another has kept, and by themselves while they cannot reach it', async () => {
  const shared = new TestState();
  const [one, two] = [open({ shared }), open({ shared })];
  one.cache.keep('a', 0.1);

  assert.deepEqual(await two.cache.find(['a', 'b']), [0.1, undefined]);
  assert.ok(![...shared.kept.keys()].join().includes('a\n'));
  shared.isAway = true;
  assert.deepEqual(await two.cache.find(['a']), [undefined]);
  assert.deepEqual(await one.cache.find(['a']), [0.1]);
  two.cache.keep('a', 0.1);
  await new Promise(setImmediate);
  assert.deepEqual(two.looks, ['hit', 'miss', 'down', 'miss', 'down']);
});

describe('an endpoint that keeps answers', () => {
  let harness: GatewayHarness;
  before(async () => {
    harness = await openGateway({
      table: async (put) => {
        const arm = await put(logisticModel({ a: 1, b: 2 }), 'm', 1);
        const candidate = { ...(await put(logisticModel({ a: 1, b: 3 }), 'm', 2)), weight: 50, shadow: false };
        const protection = protectionSpec.parse({ cache: { ttlMs: 3_600_000 } });
        return {
          version: 1,
          endpoints: {
            e: endpointOf('e', arm, { protection }),
            compared: endpointOf('compared', arm, { protection, candidate, rollout: 'roll_1' }),
          },
        };
      },
    });
  });
  after(() => harness.close());

  test('says in every protocol and in the record that an answer is kept, and asks the model once', async () => {
    const predict = (id: string, inputs: object) => harness.post('/v1/endpoints/e/predict', { id, inputs });
    const first = await predict('c-1', { a: 1, b: 0.5 });
    const again = await predict('c-2', { b: 0.5, a: 1 });

    assert.deepEqual(again.body, { ...first.body, id: 'c-2', cached: true });
    const inputs = ['a', 'b'].map((name, i) => ({
      ...{ name, datatype: 'FP32', shape: [2] },
      data: [i ? 0.5 : 1, 9],
    }));
    const { json } = await callOip(harness.gateway.url, 'models/e/infer', { body: { inputs } });
    assert.equal(json.parameters?.['cached'], 1);
    const mlflow = await fetch(`${harness.gateway.url}/endpoints/e/invocations`, {
      method: 'POST',
      body: JSON.stringify({ instances: [{ a: 9, b: 9 }] }),
    });
    assert.equal(mlflow.headers.get('kedge-cached'), '1');
    const { model_stats: stats } = (await callOip(harness.gateway.url, 'models/e/stats')).json;
    assert.equal(stats[0]?.inference_count, 2);
    await harness.gateway.flush();
    const marks = ['c-1', 'c-2'].map((id) => harness.controlPlane.records.find((record) => record.id === id)?.cached);
    assert.deepEqual(marks, [undefined, true]);
  });

  test('does not while two arms are compared', async () => {
    for (let i = 0; i < 6; i++) {
      const { body } = await harness.post('/v1/endpoints/compared/predict', { id: `d-${i}`, inputs: { a: 1, b: 1 } });
      assert.ok(!('cached' in body));
    }
  });
});
