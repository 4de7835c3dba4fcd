import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, credentials } from '@grpc/grpc-js';
import { digestOf } from '#core/hash';
import type { Arm, RoutedEndpoint } from '../routing.ts';
import { loadService } from './grpc/service.ts';
import { endpointOf, type GatewayHarness, openGateway, putModel } from './testing/gateway-harness.ts';
import { callOip, type OipReply, tensorOf } from './testing/open-inference-call.ts';
import { identity, linearClasses, lookUp, scaled, times } from './testing/tensor-models.ts';

const NO_COLUMNS = { inputs: [], output: 'value' as const };
/** The classes of x are those of its first number; `OTHER` has the first two the other way round. */
const CLASSES = [1, -1, 0, 0, 0, 0.5];
const OTHER = [-1, 1, 0, 0, 0, 0.5];

let harness: GatewayHarness;
let version = 1;
before(async () => {
  harness = await openGateway({ grpcPort: 0, table: async () => ({ version, endpoints: {} }) });
});
after(() => harness.close());

const put = (bytes: Uint8Array<ArrayBuffer>, name: string, number: number): Promise<Arm> =>
  putModel(harness.blobs, { bytes, signature: NO_COLUMNS }, { name, version: number });

/** Puts one endpoint into force, in the place of the last one. */
async function route(name: string, current: Arm, more: Partial<RoutedEndpoint>): Promise<void> {
  version += 1;
  harness.controlPlane.records.length = 0;
  harness.controlPlane.reports.length = 0;
  const endpoints = { [name]: endpointOf(name, current, { rollout: `roll_${version}`, ...more }) };
  harness.controlPlane.route({ version, endpoints });
  await until(() => harness.gateway.routingVersion === version);
}

async function until(holds: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + 30_000;
  while (!holds()) {
    assert.ok(performance.now() < giveUpAt, 'not within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

async function recorded() {
  await harness.gateway.flush();
  return new Map(harness.controlPlane.records.map((record) => [record.id, record]));
}

const infer = (name: string, body: object): Promise<OipReply> =>
  callOip(harness.gateway.url, `models/${name}/infer`, { body });
const x = (...values: number[]) => tensorOf('x', 'FP32', [values.length / 2, 2], values);
const live = { blockMs: 60_000, sticky: 'customer', override: true };
const weighed = (arm: Arm, weight: number) => ({ ...arm, weight, shadow: weight === 0 });

describe('a rollout of a model of tensors', () => {
  test('its canary answers its share, keys keep their arm, and the other arm is compared beside it', async () => {
    const [current, candidate] = [await put(linearClasses(CLASSES), 'c', 1), await put(linearClasses(OTHER), 'c', 2)];
    await route('classes', current, { candidate: weighed(candidate, 20), live });
    const ask = (id: string, customer: string) =>
      infer('classes', { id, parameters: { 'entities.customer': customer, at: 1_000 }, inputs: [x(2, 0, 0, 8)] });

    const first = await Promise.all(Array.from({ length: 60 }, (_, i) => ask(`a-${i}`, `k-${i}`)));
    const again = await Promise.all(Array.from({ length: 60 }, (_, i) => ask(`b-${i}`, `k-${i}`)));
    const records = await recorded();

    const arms = first.map(({ json }) => json.parameters?.['arm']);
    assert.ok(new Set(arms).size === 2);
    assert.deepEqual(
      again.map(({ json }) => json.parameters?.['arm']),
      arms,
    );
    for (const [i, { json }] of first.entries()) {
      const byCandidate = arms[i] === 'candidate';
      assert.deepEqual(json.outputs[0]?.data, byCandidate ? [-2, 2, 0, 0, 0, 4] : [2, -2, 0, 0, 0, 4]);
      assert.equal(json.model_version, byCandidate ? '2' : '1');
      const record = records.get(`a-${i}`);
      assert.deepEqual([record?.arm, record?.propensity, record?.at], [arms[i], byCandidate ? 0.2 : 0.8, 1_000]);
      assert.deepEqual(record?.entities, { customer: `k-${i}` });
      assert.deepEqual(record?.tensors?.inputs, [tensorOf('x', 'FP32', [2, 2], [2, 0, 0, 8])]);
      assert.deepEqual(record?.tensors?.outputs[0]?.data, json.outputs[0]?.data);
      assert.equal(record?.shadow?.revision, byCandidate ? 'c@1' : 'c@2');
      assert.deepEqual(record?.shadow?.difference, { maxAbs: 4, maxRel: 2, flipped: true, unlike: false });
    }
  });

  test('its shadow answers nobody, and what decides alike is no flip', async () => {
    const near = CLASSES.map((weight) => weight * 1.25);
    const [current, shadow] = [await put(linearClasses(CLASSES), 'c', 1), await put(linearClasses(near), 'c', 3)];
    await route('classes', current, { candidate: weighed(shadow, 0), live: { ...live, blockMs: 200 } });
    for (let i = 0; i < 5; i++) {
      const { json } = await infer('classes', { id: `s-${i}`, inputs: [x(4, 0)] });
      assert.deepEqual([json.outputs[0]?.data, json.parameters?.['arm']], [[4, -4, 0], 'current']);
    }
    const records = await recorded();
    assert.deepEqual(records.get('s-3')?.shadow, {
      ...{ revision: 'c@3', score: 0 },
      difference: { maxAbs: 1, maxRel: 0.2, flipped: false, unlike: false },
    });
    const rollout = `roll_${version}`;
    const seen = () => harness.controlPlane.observations.filter((one) => one.rollout === rollout);
    await until(() => seen().reduce((sum, { pairs }) => sum + pairs.count, 0) === 5);
    assert.equal(
      seen().reduce((sum, { pairs }) => sum + pairs.flips, 0),
      0,
    );
    assert.equal(
      seen().reduce((sum, { candidate }) => sum + candidate.scored, 0),
      5,
    );
  });

  test('a request may name its arm, a flag may, and neither is in the sample', async () => {
    const [current, candidate] = [await put(times(10), 't', 1), await put(times(20), 't', 2)];
    const flags = [{ name: 'large', when: 'inputs.size > 5', arm: 'candidate' }];
    await route('times', current, { candidate: weighed(candidate, 0), live: { ...live, flags } });
    const ask = async (parameters: object) =>
      (await infer('times', { parameters, inputs: [tensorOf('x', 'FP32', [2], [1, 2])] })).json;

    assert.deepEqual((await ask({ size: 1 })).outputs[0]?.data, [10, 20]);
    const named = await ask({ arm: 'candidate' });
    const flagged = await ask({ size: 6 });
    assert.deepEqual(
      [named.outputs[0]?.data, flagged.outputs[0]?.data],
      [
        [20, 40],
        [20, 40],
      ],
    );
    const records = await recorded();
    assert.deepEqual(
      [named, flagged].map(({ id }) => [records.get(id)?.chosenBy, records.get(id)?.propensity]),
      [
        ['request', 1],
        ['flag:large', 1],
      ],
    );
    assert.match((await ask({ arm: 'third' })).error, /arm: expected current or candidate/);
  });

  test('a candidate that fails, or takes other tensors, is replaced, and taken out by its guardrail', async () => {
    const current = await put(scaled(3), 's', 1);
    const guardrail = { errorRateMax: 0.5, latencyP95MsMax: 60_000, requestsMin: 4, windowMs: 60_000 };
    const ask = async () => (await infer('scaled', { inputs: [tensorOf('x', 'INT64', [1], [7])] })).json;
    for (const [number, bytes] of [lookUp(), times(3)].entries()) {
      const candidate = await put(bytes, 's', number + 2);
      await route('scaled', current, { candidate: weighed(candidate, 99), guardrail });
      const answers = [];
      while (harness.controlPlane.reports.length === 0) answers.push(await ask());
      assert.ok(answers.every(({ outputs }) => outputs[0]?.data[0] === 21));
      assert.ok(answers.some(({ parameters }) => parameters?.['fallbacks'] === 1));
      const [report] = harness.controlPlane.reports as [{ reason: string; error: string }];
      assert.equal(report.reason, 'error-rate');
      assert.match(report.error, number === 0 ? /index|indices/i : /s@3 takes 'x' as FP32 \[-1\].*INT64 \[1\]/);
      const [record] = [...(await recorded()).values()].filter(({ fallback }) => fallback);
      assert.equal(record?.fallback?.revision, candidate.revision);
      assert.equal((await ask()).parameters?.['arm'], undefined);
    }
  });

  test('where the current revision fails, one that stood before it answers, and numbers cannot', async () => {
    const previous = await put(scaled(3), 's', 1);
    await route('scaled', await put(lookUp(), 's', 2), {
      fallbacks: [
        { by: 'constant', score: 1 },
        { by: 'model', arm: await put(times(3), 't', 1) },
        { by: 'previous', arm: previous },
      ],
    });
    const ask = (value: number) => infer('scaled', { inputs: [tensorOf('x', 'INT64', [1], [value])] });
    const [known, unknown] = [await ask(2), await ask(7)];
    assert.deepEqual([known.json.outputs[0]?.data, known.json.parameters], [[20], { revision: 's@2' }]);
    assert.deepEqual(unknown.json.outputs[0]?.data, [21]);
    assert.deepEqual(unknown.json.parameters, { revision: 's@1', fallbacks: 1, fallback: 'previous' });
    const record = (await recorded()).get(unknown.json.id);
    assert.deepEqual([record?.revision, record?.fallback?.revision, record?.score], ['s@1', 's@2', 21]);
  });

  test('several candidates share the requests, each recorded with its share', async () => {
    const arms = [
      { ...(await put(times(20), 't', 2)), name: 'b', weight: 40 },
      { ...(await put(times(30), 't', 3)), name: 'c', weight: 20 },
    ];
    await route('times', await put(times(10), 't', 1), { arms, live: { ...live, sticky: null } });
    const body = (id: string) => ({ id, inputs: [tensorOf('x', 'FP32', [1], [1])] });
    const answers = await Promise.all(Array.from({ length: 120 }, (_, i) => infer('times', body(`n-${i}`))));
    const records = await recorded();
    const factor: Record<string, number> = { current: 10, b: 20, c: 30 };
    const propensity: Record<string, number> = { current: 0.4, b: 0.4, c: 0.2 };
    for (const { json } of answers) {
      const arm = String(json.parameters?.['arm']);
      assert.deepEqual(json.outputs[0]?.data, [factor[arm]]);
      assert.equal(records.get(json.id)?.propensity, propensity[arm]);
      assert.equal(records.get(json.id)?.arm, arm);
    }
    assert.deepEqual(new Set(answers.map(({ json }) => json.parameters?.['arm'])), new Set(['current', 'b', 'c']));
  });

  test('gRPC is routed and recorded alike, with its parameters', async () => {
    const candidate = await put(times(20), 't', 2);
    await route('times', await put(times(10), 't', 1), { candidate: weighed(candidate, 50), live });
    const client = new Client(harness.gateway.grpcAddress ?? '', credentials.createInsecure());
    const { ModelInfer } = await loadService();
    const call = (id: string, customer: string) =>
      new Promise<{ model_version: string; parameters: Record<string, { double_param?: number }> }>(
        (resolve, reject) => {
          const message = {
            ...{ model_name: 'times', id, parameters: { 'entities.customer': { string_param: customer } } },
            inputs: [{ name: 'x', datatype: 'FP32', shape: [1], contents: { fp32_contents: [1] } }],
          };
          assert.ok(ModelInfer);
          const { path, requestSerialize, responseDeserialize } = ModelInfer;
          client.makeUnaryRequest(
            ...([path, requestSerialize, responseDeserialize, message] as const),
            (error: Error | null, reply: unknown) => (error ? reject(error) : resolve(reply as never)),
          );
        },
      );
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => call(`g-${i}`, `k-${i % 10}`)));
    const records = await recorded();
    client.close();
    for (const [i, { model_version: answered, parameters }] of answers.entries()) {
      assert.equal(answered, answers[i % 10]?.model_version);
      assert.deepEqual(records.get(`g-${i}`)?.tensors?.outputs[0]?.data, [answered === '2' ? 20 : 10]);
      assert.equal(parameters['propensity']?.double_param, 0.5);
    }
    assert.deepEqual(new Set(answers.map((answer) => answer.model_version)), new Set(['1', '2']));
  });

  test('of a tensor that is too large, its digest and some values are recorded', async () => {
    await route('same', await put(identity('float'), 'i', 1), {});
    const values = Array.from({ length: 3_000 }, (_, i) => i);
    const { status } = await infer('same', { id: 'large', inputs: [tensorOf('x', 'FP32', [1, 3_000], values)] });
    assert.equal(status, 200);
    const [input] = (await recorded()).get('large')?.tensors?.inputs ?? [];
    assert.equal(input?.digest, digestOf(new Uint8Array(Float32Array.from(values).buffer)));
    assert.deepEqual([input?.data, input?.sample?.length, input?.sample?.[1]], [undefined, 16, 187]);
  });

  test('it is described by its tensors, answers rows of the other protocols, and refuses columns', async () => {
    await route('classes', await put(linearClasses(CLASSES), 'c', 1), {});
    const described = await (await fetch(`${harness.gateway.url}/v2/models/classes`)).json();
    assert.deepEqual(described, {
      ...{ name: 'classes', versions: ['1'], platform: 'onnxruntime_onnx' },
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 3] }],
    });
    const ready = await fetch(`${harness.gateway.url}/v2/models/classes/ready`);
    assert.equal(ready.status, 200);
    const rows = await harness.post('/v1/models/classes:predict', { instances: [[2, 0]] });
    assert.deepEqual(rows.body.predictions, [[2, -2, 0]]);
    const columns = await harness.post('/v1/endpoints/classes/predict', { inputs: { x: 1 } });
    assert.equal(columns.status, 400);
    assert.match(columns.body.detail, /call POST \/v2\/models\/classes\/infer/);
    const wrong = await infer('classes', { inputs: [tensorOf('x', 'FP64', [1, 2], [1, 2])] });
    assert.match(wrong.json.error, /inputs\.x\.datatype: expected FP32, found FP64/);
  });
});
