import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { endpoint, type Kedge } from '#client';
import { linearModel } from '#testing/loop-models';
import { eventually, type LoopPlatform, openLoopPlatform } from '#testing/loop-platform';

const ENDPOINT = { params: { endpoint: 'lateness' } };

let platform: LoopPlatform;
let kedge: Kedge;

before(async () => {
  platform = await openLoopPlatform();
  kedge = platform.kedge;
  const checks = { golden: { tolerance: 0.1 }, load: { rate: 20, duration: '1s', p99MsMax: 60_000 } } as const;
  const spec = endpoint('lateness', {
    model: 'lateness',
    challengers: 'manual',
    rollout: { strategy: 'canary', live: { block: { length: '500ms' } }, checks },
  });
  await kedge.resources.applyResources({ body: { resources: [spec] } });
  await platform.register('lateness', linearModel(2.5));
  await platform.settle();
  await kedge.serving.startRollout({ ...ENDPOINT, body: { version: 1 } });
  await platform.settle();
});
after(() => platform.stop());

/** Registers a version, rolls it out, and tells how its checks ended. */
async function checked(weight: number, version: number) {
  await platform.register('lateness', linearModel(weight));
  await platform.settle();
  const { id, stage } = await kedge.serving.startRollout({ ...ENDPOINT, body: { version } });
  assert.equal(stage, 'checking');
  return eventually('the checks to end', async () => {
    const found = await kedge.serving.getRollout({ params: { rollout: id } });
    return found.stage === 'checking' ? undefined : found;
  });
}

test('a version that answers recorded requests otherwise is refused, and another gets traffic', async () => {
  for (let i = 0; i < 12; i++) {
    const url = `${platform.gatewayUrl}/v1/endpoints/lateness/predict`;
    const body = JSON.stringify({ inputs: { x: i / 6 - 1, car: i % 2 === 0 ? 'van' : 'compact' } });
    assert.equal((await fetch(url, { method: 'POST', body })).status, 200);
  }
  await fetch(`${platform.gatewayUrl}/v1/flush`, { method: 'POST' });
  const { items } = await kedge.serving.sampleGolden({ ...ENDPOINT, body: { count: 6 } });
  assert.deepEqual([items.length, items[0]?.revision], [6, 'lateness@1']);

  const refused = await checked(-2.5, 2);
  assert.equal(refused.stage, 'refused');
  assert.match(
    refused.decisions.at(-1)?.sentence ?? '',
    /failed its checks before traffic: lateness@2 answered \d of 6/,
  );
  const passed = await checked(2.4, 3);
  assert.deepEqual([passed.stage, passed.weight], ['canary', 5]);
  assert.deepEqual(
    passed.checks?.map(({ check, passed: fine }) => [check, fine]),
    [
      ['signature', true],
      ['golden', true],
      ['load', true],
    ],
  );
});
