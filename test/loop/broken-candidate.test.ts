import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Kedge } from '#client';
import { EVIDENCE, forgetfulModel, linearModel, slowModel } from '#testing/loop-models';
import { eventually, type LoopModel, type LoopPlatform, openLoopPlatform } from '#testing/loop-platform';
import { Prober } from '#testing/prober';
import { dayOf, HOUR, Town } from '#testing/town';
import { TownPlayer } from '#testing/town-player';
import { gate, lateness, quality } from './project.ts';

const ENDPOINT = { params: { endpoint: 'lateness' } };
/** More than an answer takes on a machine with much other work. */
const PATIENT_TIMEOUT_MS = 20_000;
/** For models that are too slow. */
const TIMEOUT_MS = 200;
/** Several times the timeout, on a machine that has nothing else to do. */
const SLOW_ROUNDS = 60;
/** A run takes so much longer than any answer is held up by other work that the two cannot be mixed up. */
const ENDLESS_ROUNDS = 3 * SLOW_ROUNDS;

let platform: LoopPlatform;
let kedge: Kedge;
let player: TownPlayer;

beforeEach(async () => {
  platform = await openLoopPlatform();
  kedge = platform.kedge;
  await answerWithin(PATIENT_TIMEOUT_MS);
  await kedge.resources.applyResources({ body: { resources: [quality, gate] } });
  const town = new Town({ seed: 3, ridesPerHour: 60 });
  player = new TownPlayer({ platform, town, endpoint: 'lateness', startAt: dayOf(1) });
  await platform.register('lateness', linearModel(2.5), EVIDENCE);
  await platform.settle();
  await player.hour();
});
afterEach(() => platform.stop());

async function answerWithin(timeoutMs: number): Promise<void> {
  const endpoint = lateness(null, { timeoutMs, guardrail: { errorRateMax: 0.05, requestsMin: 20 } });
  await kedge.resources.applyResources({ body: { resources: [endpoint] } });
}

/** Milliseconds that a run of a model takes on this machine as busy as it is, the better of two. */
async function timeOfRun({ bytes }: LoopModel): Promise<number> {
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const times: number[] = [];
  for (let run = 0; run < 2; run++) {
    const startedAt = performance.now();
    await session.run({ features: new Tensor('float32', [0.5], [1, 1]) });
    times.push(performance.now() - startedAt);
  }
  await session.release();
  return Math.min(...times);
}

const newest = async () => (await kedge.serving.listRollouts(ENDPOINT)).items[0];

async function force(version: number): Promise<void> {
  const body = { version, force: { reason: 'tested on a laptop' } };
  assert.equal((await kedge.serving.startRollout({ ...ENDPOINT, body })).stage, 'probation');
  await platform.settle();
}

/** Everything that follows from a guardrail: out of the gateway's table, rolled back, locked, told. */
async function takenOut(version: number, fact: RegExp): Promise<void> {
  const rollout = await eventually('the rollout has ended', async () => {
    const found = await newest();
    return found?.finishedAt ? found : undefined;
  });
  assert.deepEqual([rollout.candidate, rollout.stage, rollout.weight], [version, 'rolled-back', 0]);
  assert.match(rollout.decisions.at(-1)?.sentence ?? '', fact);
  await platform.settle();
  const endpoint = await kedge.serving.getEndpoint(ENDPOINT);
  assert.deepEqual([endpoint.current?.version, endpoint.locked], [1, true]);
  const { items } = await kedge.automation.listIncidents({ query: { status: 'open' } });
  const [incident] = items.filter(({ subject }) => subject === 'endpoint/lateness');
  assert.ok(
    incident?.facts.some(({ text }) => fact.test(text)),
    JSON.stringify(incident),
  );
  assert.ok(incident.changes.some(({ action }) => action === 'rollout.start'));
  const { items: audit } = await kedge.activity.searchAudit({ query: { action: 'rollout.guardrail' } });
  assert.ok(audit.some(({ actor }) => actor === 'service:gateway'));
  assert.equal((await kedge.activity.verifyAudit()).ok, true);
}

test('a candidate that throws on a car it has not seen answers nobody from the shadow and is refused', async () => {
  assert.equal(await platform.register('lateness', forgetfulModel(['compact', 'estate']), EVIDENCE), 2);
  await platform.settle();
  assert.equal((await newest())?.stage, 'shadow');

  await player.hour();

  const rollout = await eventually('the rollout has ended', async () => {
    const found = await newest();
    return found?.finishedAt ? found : undefined;
  });
  assert.equal(rollout.stage, 'refused');
  assert.match(rollout.decisions.at(-1)?.sentence ?? '', /failed \d+(\.\d+)? % of \d+ requests, the limit is 5 %/);
  assert.equal((await kedge.serving.getEndpoint(ENDPOINT)).locked, false, 'nobody was answered, so nothing is locked');
  assert.deepEqual([player.failures, player.answers.length], [0, 60]);
  assert.ok(player.answers.every(({ revision, fallback }) => revision === 'lateness@1' && fallback === undefined));
});

test('a candidate that throws while it answers is replaced answer by answer and taken out at once', async () => {
  const version = await platform.register('lateness', forgetfulModel(['compact', 'estate']));
  await platform.settle();
  await force(version);

  await player.hour();

  assert.deepEqual([player.failures, player.answers.length], [0, 60]);
  const replaced = player.answers.filter(({ fallback }) => fallback);
  assert.ok(
    replaced.length > 5 && replaced.every(({ revision, arm }) => revision === 'lateness@1' && arm === 'current'),
  );
  const others = player.answers.filter(({ fallback }) => !fallback);
  assert.ok(
    others.some(({ revision }) => revision === `lateness@${version}`),
    'it answered where it could',
  );
  const recorded = await kedge.monitoring.getPrediction({ params: { prediction: replaced[0]?.id ?? '' } });
  assert.equal(recorded.fallback?.revision, `lateness@${version}`);
  assert.match(recorded.fallback?.error ?? '', /out of.*bounds/i);
  await takenOut(version, /out of.*bounds|error-rate/i);
  await player.hour();
  assert.ok(player.answers.every(({ revision, fallback }) => revision === 'lateness@1' && !fallback));
});

test('a candidate that is slow is scored in a thread of its own and delays no answer of the current one', async (t) => {
  await answerWithin(TIMEOUT_MS);
  await platform.settle();
  const model = slowModel(ENDLESS_ROUNDS);
  const runMs = await timeOfRun(model);
  const prober = new Prober(platform.gatewayUrl, { endpoint: 'lateness', at: () => player.at, pauseMs: 10 });
  assert.equal(await platform.register('lateness', model, EVIDENCE), 2);

  const rollout = await eventually('the shadow is taken out', async () => {
    const found = await newest();
    return found?.candidate === 2 && found.finishedAt ? found : undefined;
  });
  await prober.stop();

  assert.equal(rollout.stage, 'refused');
  assert.match(rollout.decisions.at(-1)?.sentence ?? '', /did not answer within 200 ms/);
  const latencies = prober.probes.map(({ latencyMs }) => latencyMs).toSorted((a, b) => a - b);
  t.diagnostic(
    `${latencies.length} answers, median ${latencies[latencies.length >> 1]?.toFixed(1)} ms, ` +
      `slowest ${latencies.slice(-3).map((ms) => ms.toFixed(0))} ms, a run of the model ${runMs.toFixed(0)} ms`,
  );
  assert.equal(prober.failures, 0);
  // Tried on the event loop, the model would hold all answers for two of its runs.
  assert.ok((latencies.at(-1) ?? 0) < runMs, `the slowest answer took ${latencies.at(-1)} ms, a run ${runMs} ms`);
});

test('a candidate that is slow while it answers is replaced after the timeout and taken out', async () => {
  await answerWithin(TIMEOUT_MS);
  const version = await platform.register('lateness', slowModel(SLOW_ROUNDS));
  await platform.settle();
  await force(version);

  await player.hour();

  assert.deepEqual([player.failures, player.answers.length], [0, 60]);
  const ways = new Set(
    player.answers.map(({ revision, fallback }) => `${revision} ${fallback ? 'instead' : 'itself'}`),
  );
  assert.deepEqual([...ways], ['lateness@1 instead']);
  await takenOut(version, /did not answer within|error-rate/);
  const again = await player.ask(new Town({ seed: 4, ridesPerHour: 60 }).rides(player.at, player.at + HOUR));
  assert.ok(again.every(({ revision, fallback }) => revision === 'lateness@1' && !fallback));
});
