import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect, type Kedge } from 'kedge';
import { openFsBlobStore } from '#adapters/blob/fs';
import type { Digest } from '#core/hash';
import { freePort } from '#testing/free-port';

const PYTHON = process.env['KEDGE_TEST_PYTHON'];
const skip = PYTHON ? false : 'KEDGE_TEST_PYTHON names no Python with scikit-learn and skl2onnx (tools/ci/python.sh)';

const KEDGE = fileURLToPath(new URL('../../bin/kedge.mjs', import.meta.url));
const PROJECT = fileURLToPath(new URL('./kedge.ts', import.meta.url));
const WITHIN_MS = 120_000;

type RunDetail = Awaited<ReturnType<Kedge['pipelines']['getPipelineRun']>>;

interface HeldOut {
  readonly inputs: Readonly<Record<string, number>>;
  readonly probability: number;
}

describe('the scikit-learn example', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'kedge-sklearn-'));
  const dataDir = join(folder, 'data');
  let platform: ChildProcess | undefined;
  let gateway = '';
  let kedge: Kedge;

  before(async () => {
    const [port, gatewayPort, grpcPort] = await Promise.all([freePort(), freePort(), freePort()]);
    const ports = ['--port', `${port}`, '--gateway-port', `${gatewayPort}`, '--grpc-port', `${grpcPort}`];
    platform = spawn(process.execPath, [KEDGE, 'up', '--data', dataDir, '--insecure-loopback', ...ports], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, PATH: pathWithPython(folder), KEDGE_LOG_LEVEL: 'error' },
    });
    await ready(platform);
    gateway = `http://127.0.0.1:${gatewayPort}`;
    kedge = connect({ url: `http://127.0.0.1:${port}` });
    await promisify(execFile)(process.execPath, [KEDGE, 'apply', PROJECT, '--url', kedge.url]);
  });

  after(async () => {
    if (platform?.exitCode === null) {
      const exited = new Promise((resolve) => platform?.once('exit', resolve));
      platform.kill('SIGTERM');
      await exited;
    }
    rmSync(folder, { recursive: true, force: true });
  });

  test('the gateway answers with the probabilities that the script computed', async () => {
    const run = await finished(kedge, {});
    assert.equal(run.status, 'succeeded', run.reason ?? '');
    const train = stepOf(run, 'train');
    await settled(kedge, gateway);
    const heldOut = await readJson<HeldOut[]>(dataDir, train.outputs['held-out.json']?.digest);
    const instances = heldOut.map(({ inputs }) => ({ inputs }));
    const { predictions } = await post<{ predictions: { revision: string; output: { probability: number } }[] }>(
      `${gateway}/v1/endpoints/tumours/predict`,
      { instances },
    );
    assert.equal(predictions.length, 143);
    for (const [i, { probability }] of heldOut.entries()) {
      const answer = predictions[i];
      assert.equal(answer?.revision, 'tumours@1');
      assert.ok(Math.abs(answer.output.probability - probability) <= 1e-5, `row ${i}: ${answer.output.probability}`);
    }
    const spread = heldOut.map(({ probability }) => probability);
    assert.ok(Math.min(...spread) < 0.05 && Math.max(...spread) > 0.95, 'the rows do not tell two answers apart');

    const { items } = await kedge.registry.listEvidence({ params: { model: 'tumours', version: 1 } });
    const evaluation = items.find(({ kind }) => kind === 'evaluation')?.data as { metrics: { auc: number } };
    assert.ok(Math.abs(evaluation.metrics.auc - (train.metrics['auc'] ?? 0)) < 1e-6);
    const log = await kedge.pipelines.readStepLog({ params: { run: run.run, step: 'train' }, query: {} });
    const said = log.items.filter(({ stream }) => stream === 'stdout').map(({ text }) => text.split(':')[0]);
    assert.deepEqual(said, ['426 biopsies learned from, 143 held out'], 'marked lines are no part of the log');

    const again = await finished(kedge, {});
    assert.equal(stepOf(again, 'train').status, 'cached');
  });

  test('a script that ends with code 3 is a failed step that says so, and nothing follows it', async () => {
    const run = await finished(kedge, { inverse_penalty: -1 });
    assert.equal(run.status, 'failed');
    const train = stepOf(run, 'train');
    assert.equal(train.status, 'failed');
    assert.equal(train.attempts.length, 1);
    assert.equal(train.attempts[0]?.error?.kind, 'exit-code');
    assert.match(train.attempts[0].error.message, /\b3\b/);
    assert.match(train.reason ?? '', /\b3\b/);
    assert.equal(stepOf(run, 'register').status, 'skipped');
    const log = await kedge.pipelines.readStepLog({ params: { run: run.run, step: 'train' }, query: {} });
    const said = log.items.filter(({ stream }) => stream === 'stderr').map(({ text }) => text);
    assert.deepEqual(said, ['inverse_penalty: expected a number above 0, found -1']);
  });
});

/** The example asks for `python3` on the PATH. Not a link, from which Python would not find its environment. */
function pathWithPython(folder: string): string {
  const program = join(folder, 'python3');
  writeFileSync(program, `#!/bin/sh\nexec '${PYTHON?.replaceAll("'", `'\\''`)}' "$@"\n`);
  chmodSync(program, 0o755);
  return `${folder}${delimiter}${process.env['PATH']}`;
}

function ready(platform: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    platform.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('Kedge is ready')) resolve();
    });
    platform.once('exit', (code) => reject(new Error(`kedge up ended with code ${code} before it was ready`)));
  });
}

async function finished(kedge: Kedge, params: Record<string, number>): Promise<RunDetail> {
  const { run } = await kedge.pipelines.startPipelineRun({ params: { pipeline: 'tumours' }, body: { params } });
  return eventually(`run ${run} has ended`, async () => {
    const detail = await kedge.pipelines.getPipelineRun({ params: { run } });
    return detail.finishedAt === null ? undefined : detail;
  });
}

/** Waits until everything that follows the run is done and the gateway answers accordingly. */
async function settled(kedge: Kedge, gateway: string): Promise<void> {
  await eventually('the platform is settled', async () => (await kedge.activity.getSettled()).settled || undefined);
  const { version } = await kedge.serving.pollRouting({ query: { after: -1 } });
  await eventually('the gateway has the newest routing table', async () => {
    const { routing } = await post<{ routing: number }>(`${gateway}/v1/flush`, {});
    return routing >= version || undefined;
  });
}

function stepOf(run: RunDetail, name: string): RunDetail['steps'][number] {
  const step = run.steps.find((item) => item.step === name);
  assert.ok(step, `the run has no step '${name}'`);
  return step;
}

async function readJson<T>(dataDir: string, digest: Digest | undefined): Promise<T> {
  assert.ok(digest);
  const blobs = await openFsBlobStore({ root: join(dataDir, 'blobs') });
  return JSON.parse(new TextDecoder().decode(await blobs.read(digest))) as T;
}

async function post<T>(url: string, body: object): Promise<T> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text) as T;
}

async function eventually<T>(what: string, found: () => Promise<T | undefined>): Promise<T> {
  const giveUpAt = performance.now() + WITHIN_MS;
  for (;;) {
    const value = await found();
    if (value !== undefined) return value;
    if (performance.now() > giveUpAt) throw new Error(`not within ${WITHIN_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
