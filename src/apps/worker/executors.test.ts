import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { RunDetail } from '#pipelines';
import { type Bench, fn, isGone, soon } from './testing/bench.ts';
import { openBench } from './testing/open-bench.ts';
import { TEST_EXECUTORS } from './testing/test-executors.ts';

/** The same work on every executor. What differs is where it runs, which nothing of what comes out may show. */

const GATHER = `const { readFileSync, writeFileSync } = require('node:fs');
  const { blobs } = JSON.parse(readFileSync(process.env.KEDGE_INPUT_PARTS, 'utf8'));
  const words = blobs.map(({ unit, path }) => unit + '=' + readFileSync(path));
  writeFileSync(process.env.KEDGE_OUTPUT_ALL, words.join());
  writeFileSync(process.env.KEDGE_RESULT, JSON.stringify({ words: words.length }));`;

const WORK = [
  { name: 'prepare', function: fn('prepare'), params: { rows: 5 }, outputs: ['numbers.json'] },
  { name: 'train', function: fn('train'), inputs: { numbers: 'prepare.numbers.json' }, outputs: ['model.txt'] },
  {
    name: 'shard',
    command: [
      '/bin/sh',
      '-c',
      'cat "$KEDGE_INPUT_NUMBERS" - > "$KEDGE_OUTPUT_PART"; printf %s "$1" >> "$KEDGE_OUTPUT_PART"',
      'sh',
      "it's $HOME",
    ],
    map: { items: [{ id: 'x' }, { id: 'y' }] },
    params: { id: '${item.id}' },
    inputs: { numbers: 'prepare.numbers.json' },
    outputs: ['part'],
    resources: { cpu: 1, gpu: 1 },
  },
  { name: 'gather', command: [process.execPath, '-e', GATHER], inputs: { parts: 'shard.part' }, outputs: ['all'] },
].map((step) => ({ ...step, retries: 0 }));

const FAILURE = [
  { name: 'fails', command: ['/bin/sh', '-c', 'echo working; echo broken >&2; exit 3'], retries: 0 },
  { name: 'late', command: ['/bin/sleep', '600'], timeout: '1s', retries: 0 },
  { name: 'throws', function: fn('fails'), retries: 0 },
  { name: 'absent', command: ['kedge-no-such-program'], retries: 0 },
  { name: 'after', command: ['/bin/true'], needs: ['fails'] },
];

/** What came out, without names and times that are of one run alone. */
async function tellOf(bench: Bench, run: RunDetail): Promise<unknown> {
  const logs = run.steps.map(async ({ step }) => {
    const { items } = await bench.api.readStepLog({ params: { run: run.run, step } });
    return items
      .filter(({ stream }) => stream !== 'worker')
      .map(({ stream, text }) => `${stream} ${text.replaceAll(bench.dir, '')}`)
      .sort();
  });
  const wordsOf = (error: { kind: string; message: string } | null | undefined) => error && [error.kind, error.message];
  return {
    status: run.status,
    outputs: Object.entries(run.outputs).map(([name, { digest, bytes }]) => [name, digest, bytes]),
    steps: run.steps.map(({ step, status, result, metrics, attempts }) => ({
      ...{ step, status, result, metrics },
      attempts: attempts.map((attempt) => [attempt.status, wordsOf(attempt.error)]),
    })),
    logs: await Promise.all(logs),
  };
}

async function cancelled(bench: Bench): Promise<unknown> {
  const started = join(bench.dir, 'started');
  const run = await bench.start([
    { name: 'hangs', function: fn('hangs'), params: { started } },
    { name: 'after', command: ['/bin/true'], needs: ['hangs'] },
  ]);
  const pids = (): number[] => wordsIn(started).map(Number);
  await soon(
    () => pids().length === 2,
    () => 'the step does not start',
  );
  await bench.api.cancelPipelineRun({ params: { run }, body: { reason: 'wrong data' } });
  const ended = await bench.ended(run);
  return { status: ended.status, steps: ended.steps.map(({ status }) => status), gone: pids().map(isGone) };
}

function wordsIn(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split(/\s+/).filter(Boolean);
  } catch {
    return [];
  }
}

async function workOn(t: TestContext, executor: string): Promise<unknown> {
  const bench = await openBench(t, { executor, slots: 6 });
  const [work, failure] = [await bench.start(WORK), await bench.start(FAILURE)];
  const ended = await bench.ended(work);
  assert.equal(ended.status, 'succeeded', JSON.stringify(ended, null, 1));
  for (const { attempts } of ended.steps.filter(({ units }) => units === null)) {
    const { place } = attempts.at(-1)!;
    assert.equal(place?.executor, executor);
    if (TEST_EXECUTORS[executor]?.isRemote) assert.match(`${place.job}`, /^[\w:]+$/);
    else assert.equal(place.job, null);
  }
  const succeeded = await tellOf(bench, ended);
  const failed = await tellOf(bench, await bench.ended(failure));
  return { succeeded, failed, cancelled: await cancelled(bench) };
}

let onThisMachine: Promise<unknown> | undefined;

for (const [name, { skip }] of Object.entries(TEST_EXECUTORS)) {
  if (name === 'process') continue;
  test(`work on ${name} comes out as on this machine, also where it fails or is cancelled`, { skip }, async (t) => {
    onThisMachine ??= workOn(t, 'process');
    const [expected, found] = [await onThisMachine, await workOn(t, name)];

    assert.deepEqual(found, expected);
    assert.equal((expected as { succeeded: { status: string } }).succeeded.status, 'succeeded');
  });
}
