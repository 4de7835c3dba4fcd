import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { connect, type Kedge } from '#client';
import { kedge, serveControlPlane } from '../testing.ts';

let control: Awaited<ReturnType<typeof serveControlPlane>>;
let client: Kedge;

before(async () => {
  control = await serveControlPlane();
  client = connect({ url: control.url, token: control.token });
  const rollout = { strategy: 'canary', live: { bake: '10s', requestsMin: 1 } };
  const protection = {
    callers: ['group:risk'],
    limits: [{ per: 'caller', perSecond: 5, burst: 10 }],
    fallbacks: [{ by: 'previous' }, { by: 'constant', score: 0.5 }],
  };
  const spec = { model: 'm', challengers: 'manual', rollout, protection };
  await client.resources.applyResources({ body: { resources: [{ kind: 'endpoint', name: 'e', spec }] } });
  const idle = { model: 'other', challengers: 'manual' };
  await client.resources.applyResources({ body: { resources: [{ kind: 'endpoint', name: 'idle', spec: idle }] } });
  for (const weights of ['one', 'two']) await register(weights);
  await client.serving.startRollout({ params: { endpoint: 'e' }, body: { version: 1 } });
});

after(async () => {
  await control.plane.stop();
  await rm(control.folder, { recursive: true, maxRetries: 5 });
});

async function register(weights: string): Promise<void> {
  const { id } = await client.tracking.createTrackingRun({ body: { experiment: 'm' } });
  const upload = { contentType: 'application/octet-stream', bytes: Buffer.from(weights) };
  const { digest, bytes } = await client.tracking.putArtifact({
    params: { run: id },
    query: { path: 'model.onnx' },
    upload,
  });
  const artifacts = [{ path: 'model.onnx', digest, bytes }];
  const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'probability' as const };
  await client.registry.registerVersion({ params: { model: 'm' }, body: { run: id, artifacts, signature } });
}

async function said(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await kedge([...args, '--url', control.url, '--token', control.token]);
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** A block of ten seconds as a gateway reports it, with latencies of e³ − 5 and e⁴ − 5 ms. */
const block = (rollout: string, number: number, failures: number) => ({
  ...{ rollout, source: 'gw', start: number * 10_000, end: (number + 1) * 10_000, weight: 5, odd: [] },
  current: { answered: 95, logLatencySum: 95 * 3, scored: 100, failures: 0 },
  candidate: { answered: 5, logLatencySum: 5 * 4, scored: 100, failures },
  pairs: { count: 100, flips: 0 },
  assigned: { current: 95, candidate: 5 },
});

test('endpoints are listed, described with their rollout and its traffic, and unlocked after a rollback', async () => {
  assert.match(await said('endpoints'), /^idle +- +- +- +-$/m);
  assert.match(await said('endpoints'), /^e +m@1 +- +- +-$/m);
  const { id } = await client.serving.startRollout({ params: { endpoint: 'e' }, body: { version: 2 } });
  await client.serving.observeRollout({ body: block(id, 1, 2) });

  assert.match(await said('endpoints', 'list'), /^e +m@1 +m@2 +canary +5 %$/m);
  const shown = await said('endpoints', 'describe', 'e');
  assert.match(shown, /^current +m@1 since 20\d\d-/m);
  assert.match(shown, /^callers +group:risk$/m);
  assert.match(shown, /^limits +5 requests a second per caller$/m);
  assert.match(shown, /^fallbacks +previous, then constant$/m);
  assert.match(shown, /^predictions +0 recorded, 0 with a label$/m);
  assert.match(shown, /^current +m@1 +95 % +9.5\/s +0 % +15.1 ms$/m);
  assert.match(shown, /^candidate +m@2 +5 % +0.5\/s +2 % +49.6 ms$/m);
  assert.match(await said('endpoints', 'describe', 'idle'), /^current +none: nothing answers$/m);
  const { name, rollout, traffic, summary } = JSON.parse(await said('endpoints', 'describe', 'e', '--json'));
  assert.deepEqual([name, rollout.id, traffic.blocks.length, summary.predictions.total], ['e', id, 1, 0]);

  await client.serving.observeRollout({ body: block(id, 2, 90) });
  assert.match(await said('endpoints'), /^e +m@1 +- +- +- +locked$/m);
  assert.match(await said('endpoints', 'describe', 'e'), /^lock +locked: .*errors rose/m);
  assert.equal(await said('endpoints', 'unlock', 'e', '--reason', 'a broken build, mended'), 'e is unlocked\n');
  const [{ locked }] = JSON.parse(await said('endpoints', '--json'));
  assert.equal(locked, false);
  const again = ['endpoints', 'unlock', 'e', '--reason', 'twice', '--url', control.url, '--token', control.token];
  const { code, stderr } = await kedge(again);
  assert.deepEqual([code, /serving\/not-locked/.test(stderr)], [1, true], stderr);
});
