import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect, type Kedge } from '#client';
import { realSystem } from '#core/system';
import { loadConfig } from '#platform/config';
import { createLogger, createMetrics } from '#platform/observe';
import type { BlobStore } from '#ports/blob-store';
import { type OpenControlPlane, openControlPlane } from '../../control-plane/control-plane.ts';
import { openDataDir } from '../../data-dir.ts';
import { openBlobs } from '../../stores.ts';
import { kedge } from '../testing.ts';

let plane: OpenControlPlane;
let folder = '';
let url = '';
let token = '';
let client: Kedge;
let blobs: BlobStore;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-cli-rollouts-'));
  const config = loadConfig({ dataDir: join(folder, 'data'), port: 0, logLevel: 'fatal' }, {});
  const [logger, metrics] = [createLogger('test', config.logLevel), createMetrics('test')];
  const dataDir = openDataDir(config.dataDir);
  plane = await openControlPlane({ role: 'test', config, system: realSystem(), logger, metrics, dataDir });
  url = await plane.start();
  token = dataDir.tokens.admin;
  client = connect({ url, token });
  blobs = await openBlobs(config, dataDir);
  const rollout = { strategy: 'canary', live: { bake: '10s', requestsMin: 1 } };
  const spec = { model: 'm', challengers: 'manual', rollout };
  await client.resources.applyResources({ body: { resources: [{ kind: 'endpoint', name: 'e', spec }] } });
  await register('one');
  await client.serving.startRollout({ params: { endpoint: 'e' }, body: { version: 1 } });
});

after(async () => {
  await plane.stop();
  await rm(folder, { recursive: true, maxRetries: 5 });
});

async function register(content: string): Promise<number> {
  const { digest } = await blobs.put(new TextEncoder().encode(content));
  const artifacts = [{ path: 'model.onnx', digest, bytes: content.length }];
  const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'probability' as const };
  return (await client.registry.registerVersion({ params: { model: 'm' }, body: { artifacts, signature } })).version;
}

const run = (...args: readonly string[]) => kedge([...args, '--url', url, '--token', token]);

async function said(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** A block as a gateway reports it. */
const block = (rollout: string, number: number, failures: number) => ({
  ...{ rollout, source: 'gw', start: number * 10_000, end: (number + 1) * 10_000, weight: 5, odd: [] },
  current: { answered: 95, logLatencySum: 300, scored: 100, failures: 0 },
  candidate: { answered: 5, logLatencySum: 16, scored: 100, failures },
  pairs: { count: 100, flips: 0 },
  assigned: { current: 95, candidate: 5 },
});

test('a rollout is started, listed, shown, paused, resumed, promoted and aborted by words with a reason', async () => {
  const version = await register('two');
  const id = /started (\S+) in canary/.exec(await said('rollouts', 'start', 'e', String(version)))?.[1] ?? '';

  assert.match(
    await said('rollouts', 'list', 'e'),
    new RegExp(`${id}\\s+e\\s+m@${version}\\s+canary\\s+canary\\s+5 %`),
  );
  await client.serving.observeRollout({ body: block(id, 1, 0) });
  const shown = await said('rollouts', 'get', id);
  assert.match(shown, /holds: this step has run for 10 s of 10 s|holds: harm is not excluded yet/);
  assert.match(shown, /errors\s+undecided/);
  assert.match(shown, /█{2} 5 %/);
  await said('rollouts', 'pause', id, '--reason', 'lunch');
  assert.match(await said('rollouts', 'get', id), /paused: lunch/);
  await said('rollouts', 'resume', id, '--reason', 'back again');
  assert.match(await said('rollouts', 'promote', id, '--reason', 'seen enough'), /is in canary with 10 %/);
  assert.match(await said('rollouts', 'abort', id, '--reason', 'not today'), /is in aborted with 0 %/);
  const { code, stderr } = await run('rollouts', 'pause', id, '--reason', 'too late');
  assert.equal(code, 1);
  assert.match(stderr, /serving\/not-active/);
  assert.doesNotMatch(stderr, /\n\s+at /);
});

test('watching ends with the rollout, with exit code 1 when it was taken back, and leaves a bundle', async () => {
  const version = await register('three');
  const { id } = await client.serving.startRollout({ params: { endpoint: 'e' }, body: { version } });
  const watching = run('rollouts', 'watch', id, '--every', '0.1');
  await client.serving.observeRollout({ body: block(id, 1, 60) });

  const { code, stdout } = await watching;

  assert.equal(code, 1);
  assert.match(stdout, /canary → rolled-back \(0 %\)\nerrors rose/);
  const { bundle } = JSON.parse(await said('rollouts', 'bundle', id)) as { bundle: { sentence: string } };
  assert.match(bundle.sentence, /^errors rose/);
});

test('a load test says what is wrong with its options, and fails when what it was told to hold is broken', async () => {
  const none = await kedge(['loadtest', 'e']);
  assert.deepEqual([none.code, /give either --inputs or --body/.test(none.stderr)], [1, true], none.stderr);
  const bodies = join(folder, 'bodies.jsonl');
  await writeFile(bodies, '{"inputs":{"x":1}}\nnot json\n');
  const broken = await kedge(['loadtest', 'e', '--body', bodies]);
  assert.match(broken.stderr, /not json is no JSON/);
  // The control plane is no gateway: every request is answered with 404.
  const held = ['--rate', '20', '--duration', '500ms', '--inputs', '{"x":1}', '--errors-max', '0.5', '--json'];
  const { code, stdout } = await kedge(['loadtest', 'e', '--gateway', url, '--arrivals', 'even', ...held]);
  const report = JSON.parse(stdout) as { sent: number; failures: Record<string, number> };
  assert.equal(code, 1);
  assert.deepEqual([report.sent, Object.values(report.failures)], [10, [10]]);
});

test('golden requests are recorded from a file, listed and forgotten', async () => {
  const file = join(folder, 'golden.jsonl');
  await writeFile(
    file,
    '{"name":"vip","inputs":{"x":1},"expected":0.8}\n{"name":"none","inputs":{"x":null},"expected":0}\n',
  );
  assert.match(await said('golden', 'add', 'e', file), /vip\s+0.8\s+hand\s+\{"x":1\}/);
  const left = await said('golden', 'remove', 'e', 'vip');
  assert.ok(left.includes('none') && !left.includes('vip'), left);
  const { code, stderr } = await run('golden', 'sample', 'e', '--count', '3');
  assert.equal(code, 1);
  assert.match(stderr, /serving\/no-records/);
});

test('several candidates are started, compared and dropped by name; wrong words say what was expected', async () => {
  const rollout = { strategy: 'ab', live: { metric: { name: 'value' } } };
  const spec = { model: 'm', challengers: 'manual', rollout };
  await client.resources.applyResources({ body: { resources: [{ kind: 'endpoint', name: 'several', spec }] } });
  // The champion of the model becomes current by itself, if it comes first.
  await client.serving
    .startRollout({ params: { endpoint: 'several' }, body: { version: 1 } })
    .catch((error) => assert.match(String(error), /already-current/));
  const [b, c] = [await register('b'), await register('c')];
  const wrong = await run('rollouts', 'start', 'several', '--arm', 'b');
  assert.deepEqual([wrong.code, /--arm b: expected <name>=<version or alias>/.test(wrong.stderr)], [1, true]);

  const arms = ['--arm', `small=${b}:10`, '--arm', `wide=${c}:30`];
  const id = /started (\S+) in canary/.exec(await said('rollouts', 'start', 'several', ...arms))?.[1] ?? '';

  const shown = await said('rollouts', 'get', id);
  assert.match(shown, new RegExp(`current @1\\s+█{24}░{16} 60 %\nsmall @${b}\\s+█{4}░{36} 10 %\nwide @${c}\\s+█{12}░`));
  assert.match(shown, /arm\s+shows\s+requests\s+errors\s+latency\s+metric/i);
  assert.match(await said('rollouts', 'drop', id, 'wide', '--reason', 'too dear'), /is in canary with 14.29 %/);
  assert.match(await said('rollouts', 'get', id), /wide @\d+\s+░{40} out \(by-hand\)/);
});
