import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { endpoint, type Kedge, modelGraph } from '#client';
import { classModel } from '#testing/loop-models';
import { eventually, type LoopPlatform, openLoopPlatform } from '#testing/loop-platform';

const ENDPOINT = { params: { endpoint: 'classes' } };
const WITHIN_MS = 60_000;
/** Which class x is of; `TURNED` takes the first two for each other, `NEAR` decides as `RIGHT` does. */
const RIGHT = [1, -1, 0, 0, 0, 1];
const NEAR = [1.01, -1, 0, 0, 0, 1];
const TURNED = [-1, 1, 0, 0, 0, 1];

interface Answer {
  readonly id: string;
  readonly model_version: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly outputs: readonly { readonly data: readonly number[] }[];
}

let platform: LoopPlatform;
let kedge: Kedge;
before(async () => {
  platform = await openLoopPlatform();
  kedge = platform.kedge;
  await declare({ golden: { tolerance: 0.1 } });
  await platform.register('classes', classModel(RIGHT));
  await platform.settle(WITHIN_MS);
  await kedge.serving.startRollout({ ...ENDPOINT, body: { version: 1 } });
  await platform.settle(WITHIN_MS);
});
after(() => platform.stop());

async function declare(checks: { readonly golden?: { readonly tolerance: number } }): Promise<void> {
  const spec = endpoint('classes', {
    model: 'classes',
    challengers: 'manual',
    rollout: {
      strategy: 'canary',
      checks,
      live: { steps: [50], block: { length: '500ms' }, override: true, sticky: { entity: 'customer' } },
    },
    guardrail: { requestsMin: 30, latencyP95MsMax: 60_000 },
    timeoutMs: 30_000,
  });
  await kedge.resources.applyResources({ body: { resources: [spec] } });
}

async function infer(path: string, customer = 'anna', more: object = {}): Promise<Answer> {
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [2, 0] }];
  const body = JSON.stringify({ parameters: { 'entities.customer': customer, ...more }, inputs });
  const response = await fetch(`${platform.gatewayUrl}/v2/models/${path}/infer`, { method: 'POST', body });
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as Answer;
}

const rolloutOf = (rollout: string) => kedge.serving.getRollout({ params: { rollout } });

/** Registers a version and starts its rollout; resolves when its checks are over. */
async function started(weights: readonly number[]) {
  const version = await platform.register('classes', classModel(weights));
  await platform.settle(WITHIN_MS);
  const { id } = await kedge.serving.startRollout({ ...ENDPOINT, body: { version } });
  return eventually(
    'the checks to end',
    async () => {
      const found = await rolloutOf(id);
      return found.stage === 'checking' ? undefined : found;
    },
    WITHIN_MS,
  );
}

test('a version of tensors is checked by golden requests, released as a canary, recorded and compared', async () => {
  for (let i = 0; i < 5; i++) assert.equal((await infer('classes', `k-${i}`)).model_version, '1');
  await platform.flush();
  const { items } = await kedge.serving.sampleGolden({ ...ENDPOINT, body: { count: 3 } });
  assert.deepEqual([items.length, items[0]?.expected, items[0]?.tensors?.outputs[0]?.data], [3, null, [2, -2, 0]]);

  const refused = await started(TURNED);
  assert.equal(refused.stage, 'refused');
  assert.match(
    refused.decisions.at(-1)?.sentence ?? '',
    /classes@2 answered 0 of 3 golden requests within 0\.1: .*'scores', at 0, by 4/,
  );

  const canary = await started(NEAR);
  assert.deepEqual([canary.stage, canary.weight], ['canary', 50]);
  await platform.settle(WITHIN_MS);
  const answers = [];
  for (let i = 0; i < 30; i++) answers.push(await infer('classes', `k-${i % 20}`));
  await platform.flush();
  assert.deepEqual(new Set(answers.map((answer) => answer.model_version)), new Set(['1', '3']));
  for (const [i, answer] of answers.entries()) {
    assert.equal(answer.model_version, answers[i % 20]?.model_version);
    if (i % 3 > 0) continue;
    const record = await kedge.monitoring.getPrediction({ params: { prediction: answer.id } });
    const byCandidate = answer.model_version === '3';
    assert.deepEqual([record.arm, record.propensity], [byCandidate ? 'candidate' : 'current', 0.5]);
    assert.deepEqual(record.tensors?.inputs[0]?.data, [2, 0]);
    assert.deepEqual(record.tensors?.outputs[0]?.data, answer.outputs[0]?.data);
    assert.equal(record.shadow?.revision, byCandidate ? 'classes@1' : 'classes@3');
    const { maxAbs = 0, flipped } = record.shadow?.difference ?? {};
    assert.ok(Math.abs(maxAbs - 0.02) < 1e-6 && flipped === false);
  }
  await kedge.serving.abortRollout({ params: { rollout: canary.id }, body: { reason: 'seen enough' } });
});

test('one that decides otherwise is rolled back by itself, from what is compared on the same requests', async () => {
  await declare({});
  await platform.settle(WITHIN_MS);
  const { id } = await started(TURNED.map((weight) => 1.5 * weight));
  const ended = await eventually(
    'the rollout has ended',
    async () => {
      await infer('classes', `k-${Math.floor(performance.now())}`);
      const found = await rolloutOf(id);
      return found.finishedAt ? found : undefined;
    },
    90_000,
  );
  assert.equal(ended.stage, 'rolled-back');
  assert.match(ended.decisions.at(-1)?.sentence ?? '', /^decisions differ too often/);
  await kedge.serving.unlockEndpoint({ ...ENDPOINT, body: { reason: 'known' } });
  await platform.settle(WITHIN_MS);
  assert.equal((await infer('classes')).model_version, '1');
});

test('a declared graph of its versions is a version that an endpoint answers with', async () => {
  const x = { name: 'x', datatype: 'FP32', shape: [-1, 2] };
  const node = (name: string, model: string) => ({ name, model, inputs: { x: 'x' } });
  const both = modelGraph('both', {
    inputs: [x],
    nodes: [
      node('right', 'classes@1'),
      node('turned', 'classes@2'),
      { name: 'mean', combine: 'mean', of: ['right.scores', 'turned.scores'], weights: [3, 1] },
    ],
    outputs: { scores: 'mean.value' },
  });
  const served = endpoint('both', { model: 'both', rollout: { strategy: 'canary' }, timeoutMs: 30_000 });
  await kedge.resources.applyResources({ body: { resources: [served, both] } });
  await platform.settle(WITHIN_MS);
  const { status } = await kedge.resources.getResource({ params: { kind: 'model-graph', name: 'both' } });
  assert.equal(status['revision'], 'both@1');
  const answer = await infer('both');
  assert.deepEqual(answer.outputs[0]?.data, [1, -1, 0]);
  assert.deepEqual((await infer('both/versions/1')).outputs[0]?.data, [1, -1, 0]);
  await platform.flush();
  const record = await kedge.monitoring.getPrediction({ params: { prediction: answer.id } });
  assert.deepEqual(
    new Set(record.nodes?.map(({ revision }) => revision)),
    new Set(['classes@1', 'classes@2', undefined]),
  );
});

test('after a restart without the control plane a gateway serves it from the kept table and its files', async () => {
  await platform.controlPlane.kill();
  await platform.gateway.kill();
  await platform.gateway.start();
  const byEndpoint = await infer('classes');
  const byVersion = await infer('classes/versions/1');
  assert.deepEqual((await infer('both')).outputs[0]?.data, [1, -1, 0]);
  assert.deepEqual(
    [byEndpoint, byVersion].map(({ outputs }) => outputs[0]?.data),
    [
      [2, -2, 0],
      [2, -2, 0],
    ],
  );
  await platform.controlPlane.start();
  await eventually(
    'the control plane answers',
    () => kedge.serving.getEndpoint(ENDPOINT).catch(() => undefined),
    WITHIN_MS,
  );
  await platform.flush();
  const record = await kedge.monitoring.getPrediction({ params: { prediction: byEndpoint.id } });
  assert.deepEqual([record.revision, record.tensors?.outputs[0]?.data], ['classes@1', [2, -2, 0]]);
});
