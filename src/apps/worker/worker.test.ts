import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fn, isGone, soon } from './testing/bench.ts';
import { openBench } from './testing/open-bench.ts';

const TWO_STEPS = [
  { name: 'prepare', function: fn('prepare'), params: { rows: '${params.rows}' }, outputs: ['numbers.json'] },
  { name: 'train', function: fn('train'), inputs: { numbers: 'prepare.numbers.json' }, outputs: ['model.txt'] },
];
const ROWS = { params: { rows: { type: 'integer', default: 5 } } };

test('a run of two function steps goes from declaration to a content-addressed output', async (t) => {
  const bench = await openBench(t);

  const run = await bench.ended(await bench.start(TWO_STEPS, ROWS));

  const [prepare, train] = run.steps;
  const model = run.outputs['train.model.txt'];
  const log = await bench.api.readStepLog({ params: { run: run.run, step: 'prepare' } });
  assert.equal(run.status, 'succeeded', run.reason ?? '');
  assert.deepEqual([prepare?.result, train?.result], [{ rows: 5 }, { sum: 20 }]);
  assert.deepEqual(prepare?.metrics, { rows: 5 });
  assert.ok(model);
  assert.equal(Buffer.from(await bench.blobs.read(model.digest)).toString(), 'sum 20 seed 1');
  assert.deepEqual(
    log.items.map((line) => line.text),
    ['writing 5 rows'],
  );
  assert.ok(log.done);
});

test('each way in which a step can fail is told by its kind', async (t) => {
  const bench = await openBench(t);
  const once = { retries: 0 };

  const run = await bench.ended(
    await bench.start([
      { name: 'throws', function: fn('fails'), ...once },
      { name: 'exits', command: ['/bin/sh', '-c', 'echo going down >&2; exit 3'], ...once },
      { name: 'leaves', function: fn('exits'), ...once },
      { name: 'killed', function: fn('killsItself'), ...once },
      { name: 'hangs', command: ['/bin/sleep', '600'], timeout: '300ms', ...once },
      { name: 'silent', function: fn('writesNothing'), outputs: ['model.txt'] },
      { name: 'not-json', function: fn('returnsFunction') },
      { name: 'absent', command: ['/no/such/program'], ...once },
      { name: 'no-export', function: fn('nowhere'), ...once },
      { name: 'after', command: ['/bin/true'], needs: ['throws'] },
    ]),
  );

  const kinds = Object.fromEntries(run.steps.map((step) => [step.step, step.attempts.at(-1)?.error?.kind ?? null]));
  const byName = new Map(run.steps.map((step) => [step.step, step]));
  const log = await bench.api.readStepLog({ params: { run: run.run, step: 'exits' } });
  assert.deepEqual(kinds, {
    throws: 'threw',
    exits: 'exit-code',
    leaves: 'exit-code',
    killed: 'killed',
    hangs: 'timeout',
    silent: 'missing-output',
    'not-json': 'invalid-result',
    absent: 'not-started',
    'no-export': 'threw',
    after: null,
  });
  assert.deepEqual(byName.get('hangs')?.attempts[0]?.place, { executor: 'process', job: null });
  if (process.platform === 'linux') {
    const { cpuMs = -1, rssPeakBytes = 0 } = byName.get('hangs')?.attempts[0]?.usage ?? {};
    assert.ok(cpuMs >= 0 && rssPeakBytes > 0, 'what the processes of an attempt used is kept with it');
  }
  assert.match(byName.get('throws')?.reason ?? '', /TypeError: the label column is missing/);
  assert.match(byName.get('silent')?.reason ?? '', /not written: model.txt/);
  assert.equal(byName.get('after')?.reason, "step 'throws' failed");
  assert.equal(byName.get('after')?.status, 'skipped');
  assert.equal(run.status, 'failed');
  assert.deepEqual(
    log.items.map((line) => [line.stream, line.text]),
    [
      ['stderr', 'going down'],
      ['worker', 'exit-code: the process ended with code 3'],
    ],
  );
});

test('a step that fails is tried again as often as its retries allow', async (t) => {
  const bench = await openBench(t);
  const params = { counter: join(bench.dir, 'counter'), times: 1 };

  const run = await bench.ended(await bench.start([{ name: 'flaky', function: fn('flaky'), params, retries: 1 }]));

  assert.equal(run.status, 'succeeded', run.reason ?? '');
  assert.deepEqual(
    run.steps[0]?.attempts.map((attempt) => attempt.status),
    ['failed', 'succeeded'],
  );
  assert.deepEqual(run.steps[0]?.result, { calls: 2 });
});

test('what a step said of its progress before it ended is kept, however it ended', async (t) => {
  const bench = await openBench(t);
  const print = (end: string) => ['/bin/sh', '-c', `echo "::kedge:progress 2/3 nearly"; ${end}`];

  const run = await bench.ended(
    await bench.start([
      { name: 'succeeds', command: print('exit 0') },
      { name: 'fails', command: print('exit 3'), retries: 0 },
    ]),
  );

  assert.deepEqual(
    run.steps.map(({ status, progress }) => [status, progress]),
    [
      ['succeeded', { n: 2, of: 3, text: 'nearly' }],
      ['failed', { n: 2, of: 3, text: 'nearly' }],
    ],
  );
});

test('a command gets parameters, inputs and outputs by environment and files, and its result by a file', async (t) => {
  const bench = await openBench(t);
  const script = [
    'test "$KEDGE_PARAM_TOP_N" = 3 && test "$MODE" = fast && test "$KEDGE_SEED" = 1',
    'echo "::kedge:progress 1/2 half way"',
    'echo "::kedge:metric auc 0.75"',
    'cat "$KEDGE_INPUT_NUMBERS" "$KEDGE_PARAMS" > "$KEDGE_OUTPUT_BOTH_TXT"',
    'echo "{\\"ok\\": true}" > "$KEDGE_RESULT"',
  ].join(' && ');

  const run = await bench.ended(
    await bench.start(
      [
        TWO_STEPS[0]!,
        {
          name: 'shell',
          command: ['/bin/sh', '-c', script],
          params: { 'top-n': 3 },
          inputs: { numbers: 'prepare.numbers.json' },
          outputs: ['both.txt'],
          env: { MODE: 'fast' },
        },
      ],
      ROWS,
      { rows: 2 },
    ),
  );

  const shell = run.steps[1];
  const both = run.outputs['shell.both.txt'];
  assert.equal(run.status, 'succeeded', run.reason ?? '');
  assert.deepEqual(shell?.result, { ok: true });
  assert.deepEqual(shell?.metrics, { auc: 0.75 });
  assert.ok(both);
  assert.equal(Buffer.from(await bench.blobs.read(both.digest)).toString(), '[0,1]{"top-n":3}');
});

test('units of a step run on their own, and what gathers them reads the files of all', async (t) => {
  const bench = await openBench(t);
  const gather = `const { readFileSync, writeFileSync } = require('node:fs');
    const { blobs } = JSON.parse(readFileSync(process.env.KEDGE_INPUT_PARTS, 'utf8'));
    const words = blobs.map(({ unit, path }) => unit + '=' + readFileSync(path));
    writeFileSync(process.env.KEDGE_OUTPUT_ALL, words.join());`;

  const run = await bench.ended(
    await bench.start([
      {
        name: 'shard',
        command: ['/bin/sh', '-c', 'printf "$KEDGE_PARAM_ID$KEDGE_PARAM_N" > "$KEDGE_OUTPUT_PART"'],
        map: { items: [{ id: 'x' }, { id: 'y' }, { id: 'z' }] },
        params: { id: '${item.id}', n: '${index}' },
        outputs: ['part'],
      },
      {
        name: 'gather',
        command: [process.execPath, '-e', gather],
        inputs: { parts: 'shard.part' },
        outputs: ['all'],
      },
    ]),
  );

  const all = run.outputs['gather.all'];
  assert.equal(run.status, 'succeeded', run.reason ?? '');
  assert.ok(all);
  const text = Buffer.from(await bench.blobs.read(all.digest)).toString();
  assert.equal(text, 'shard:0=x0,shard:1=y1,shard:2=z2');
});

test('a command is told where MLflow is, and what its runs belong to', async (t) => {
  const bench = await openBench(t);
  const tell =
    'echo "{\\"uri\\": \\"$MLFLOW_TRACKING_URI\\", \\"name\\": \\"$MLFLOW_EXPERIMENT_NAME\\"}" > "$KEDGE_RESULT"';
  const env = { MLFLOW_EXPERIMENT_NAME: 'mine' };

  const run = await bench.ended(
    await bench.start([
      { name: 'told', command: ['/bin/sh', '-c', tell] },
      { name: 'own', command: ['/bin/sh', '-c', tell], env },
    ]),
  );

  const [told, own] = run.steps.map(({ result }) => result as { uri: string; name: string });
  assert.match(told?.uri ?? '', /^http:/);
  assert.deepEqual([told?.name, own?.name], [run.pipeline, 'mine']);
});

test('cancelling a run kills what its steps started, and nothing of it runs again', async (t) => {
  const bench = await openBench(t);
  const started = join(bench.dir, 'started');
  const run = await bench.start([
    { name: 'hangs', function: fn('hangs'), params: { started } },
    { name: 'after', command: ['/bin/true'], needs: ['hangs'] },
  ]);
  const pids = (): number[] => linesOf(started).flatMap((line) => line.split(' ').map(Number));
  await soon(
    () => pids().length === 2,
    () => 'the step does not start',
  );

  await bench.api.cancelPipelineRun({ params: { run }, body: { reason: 'wrong data' } });
  const cancelled = await bench.ended(run);

  assert.equal(cancelled.status, 'cancelled');
  assert.equal(cancelled.reason, 'wrong data (by user:local)');
  assert.deepEqual(
    cancelled.steps.map((step) => step.status),
    ['cancelled', 'cancelled'],
  );
  assert.deepEqual(pids().map(isGone), [true, true]);
});

test('a worker that stops gives its steps back at once', async (t) => {
  const bench = await openBench(t);
  const started = join(bench.dir, 'started');
  const run = await bench.start([{ name: 'hangs', function: fn('hangs'), params: { started } }]);
  await soon(
    () => linesOf(started).length === 1,
    () => 'the step does not start',
  );

  await bench.stopWorker();
  const after = await bench.api.getPipelineRun({ params: { run } });

  const [step] = after.steps;
  assert.equal(step?.status, 'queued');
  assert.deepEqual(
    step?.attempts.map((attempt) => attempt.status),
    ['released'],
  );
});

test('an equal step is taken from the cache without a process, and an unequal one is explained', async (t) => {
  const bench = await openBench(t);
  const first = await bench.ended(await bench.start(TWO_STEPS, ROWS));

  const same = await bench.ended(await bench.start(TWO_STEPS, ROWS));
  const other = await bench.ended(await bench.start(TWO_STEPS, ROWS, { rows: 6 }));

  const explain = (run: string) => bench.api.explainStepCache({ params: { run, step: 'prepare' } });
  assert.deepEqual(
    same.steps.map((step) => [step.status, step.attempts.length, step.cachedFrom]),
    [
      ['cached', 0, first.run],
      ['cached', 0, first.run],
    ],
  );
  assert.deepEqual(same.outputs, first.outputs);
  assert.deepEqual(same.steps[0]?.result, { rows: 5 });
  assert.equal((await explain(same.run)).outcome, 'hit');
  const why = await explain(other.run);
  assert.equal(why.outcome, 'miss');
  assert.deepEqual(why.differences, [{ ingredient: 'params.rows', before: 5, now: 6 }]);
});

test('a step goes only to a worker that has its labels', async (t) => {
  const bench = await openBench(t);
  const run = await bench.start([
    { name: 'here', command: ['/bin/true'], labels: { zone: 'a' } },
    { name: 'elsewhere', command: ['/bin/true', 'b'], labels: { zone: 'b' } },
  ]);

  const after = await bench.when(run, (found) => found.steps[0]?.status === 'succeeded');

  assert.deepEqual(
    after.steps.map((step) => [step.status, step.attempts.length]),
    [
      ['succeeded', 1],
      ['queued', 0],
    ],
  );
});

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1);
  } catch {
    return [];
  }
}
