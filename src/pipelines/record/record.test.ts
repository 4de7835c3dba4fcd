import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, digestOfJson } from '#core/hash';
import { Relay } from '#platform/events';
import { forEachDialect } from '#testing/databases';
import type { LeasedAttempt } from '../contract.ts';
import { pipelineMigrations } from '../index.ts';
import { command, context, openPipelines, worker } from '../testing.ts';

type World = Awaited<ReturnType<typeof openPipelines>>;

const SOURCE = { commit: 'c'.repeat(40), dirty: true, lockFiles: { 'uv.lock': digestOf('lock') } };
const ENVIRONMENT = { kedge: '1', node: '24.0.0', platform: 'linux', arch: 'x64', release: '6.1' };
const CHAIN = [
  { name: 'fit', command: command('fit'), params: { depth: '${params.depth}' }, outputs: ['model'] },
  { name: 'score', command: command('score'), inputs: { model: 'fit.model' }, outputs: ['report'] },
];
const SPEC = { params: { depth: { type: 'integer', default: 2 } }, source: SOURCE };

/** Plays a worker until nothing is ready; `content` says what a step writes this time. */
async function work(p: World, content: (attempt: LeasedAttempt) => string = () => ''): Promise<void> {
  for (let attempts = await p.lease(); attempts.length > 0; attempts = await p.lease()) {
    for (const attempt of attempts) await p.succeed(attempt, content(attempt));
  }
}

async function seal(p: World): Promise<void> {
  const onError = (_: string, __: unknown, message: string) => assert.fail(message);
  const relay = new Relay({ db: p.db, system: p.system, consumers: [p.records.consumer()], onError });
  relay.start();
  while (!(await relay.caughtUp())) await new Promise((resolve) => setImmediate(resolve));
  await relay.stop();
}

const verdicts = ({ steps }: Awaited<ReturnType<World['records']['compare']>>) =>
  Object.fromEntries(steps.map(({ step, verdict }) => [step, verdict]));

forEachDialect('Records of runs', pipelineMigrations, (open) => {
  test('a record says what a run was made from and made, is sealed at its end and stays as it was', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(CHAIN, SPEC);
    const run = await p.start({ depth: 5 });
    const [fit] = await p.lease();
    assert.ok(fit);
    const outputs = { model: await p.put('fit.model') };
    const { attempt, epoch } = fit;
    for (const job of [null, '4711', '4711']) {
      await p.service.heartbeat(attempt, { epoch, place: { executor: 'slurm', job } });
    }
    const running = (await p.service.run(run)).steps[0]?.attempts[0]?.place;
    const place = { executor: 'slurm', job: null };
    const report = {
      status: 'succeeded',
      epoch,
      outputs,
      result: { auc: 0.9 },
      environment: ENVIRONMENT,
      place,
    } as const;
    await p.service.finish(worker, attempt, report);
    const open_ = await p.records.view(run);
    await work(p);
    await seal(p);
    await p.declare([{ name: 'other', command: command('other') }], { source: { ...SOURCE, commit: 'd'.repeat(40) } });

    const { digest, record } = await p.records.view(run);

    assert.deepEqual([open_.digest, open_.record.status], [null, 'running']);
    assert.equal(digest, digestOfJson(record));
    assert.deepEqual([record.source, record.params, record.seed], [SOURCE, { depth: 5 }, 1]);
    const [first, second] = record.steps;
    assert.deepEqual(first?.params, { depth: 5 });
    assert.deepEqual(first?.outputs['model']?.digest, digestOf('fit.model'));
    assert.equal(first?.result, digestOfJson({ auc: 0.9 }));
    assert.deepEqual(
      first?.environments.map((found) => record.environments[found]),
      [ENVIRONMENT],
    );
    assert.deepEqual(running, { executor: 'slurm', job: '4711' });
    assert.deepEqual(first?.places, [{ attempt, worker: 'w1', executor: 'slurm', job: '4711' }]);
    assert.deepEqual(second?.places, [], 'its worker did not say what it ran on');
    const read = second?.inputs['model'];
    assert.deepEqual([read?.from, read?.digest], ['fit.model', digestOf('fit.model')]);
    const sealed = (await p.audit()).filter(({ action }) => action === 'pipeline-run.seal');
    assert.deepEqual(
      sealed.map(({ subject, detail }) => [subject, detail]),
      [[`pipeline-run/${run}`, { record: digest }]],
    );
  });

  test('a reproduction does all steps anew with what the run was made from, and compares what they make', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([CHAIN[0]!, { ...CHAIN[1]!, deterministic: false }], SPEC);
    const of = await p.start({ depth: 5 });
    await work(p);
    await p.declare([{ name: 'other', command: command('other') }]);

    const { run } = await p.records.reproduce(context, of);
    const begun = await p.records.compare(run);
    const [fit] = await p.lease();
    assert.ok(fit);
    assert.deepEqual([fit.params, fit.seed, fit.command], [{ depth: 5 }, 1, command('fit')]);
    await p.succeed(fit);
    await work(p, () => ' at noon');
    const { record } = await p.records.view(run);

    const compared = await p.records.compare(run);

    assert.deepEqual([begun.same, verdicts(begun)], [null, { fit: 'pending', score: 'pending' }]);
    assert.deepEqual([compared.same, verdicts(compared)], [true, { fit: 'same', score: 'varying' }]);
    assert.deepEqual([record.source, record.reproduces], [SOURCE, of]);
    const [report] = compared.steps[1]!.products;
    assert.deepEqual(
      [report?.output, report?.before, report?.now, report?.same],
      ['report', digestOf('score.report'), digestOf('score.report at noon'), false],
    );
  });

  test('an output that came out differently is named with its digests, of a divided step with its units', async (t) => {
    const p = await openPipelines(t, open);
    const parts = { name: 'part', command: command('part'), map: { count: 3 }, outputs: ['x'] };
    await p.declare([parts, { name: 'all', command: command('all'), inputs: { x: 'part.x' }, outputs: ['y'] }]);
    const of = await p.start();
    await work(p);
    const { run } = await p.records.reproduce(context, of);
    await work(p, ({ step }) => (step === 'part:1' ? '!' : ''));

    const { same, steps } = await p.records.compare(run);

    assert.equal(same, false);
    assert.deepEqual(
      steps.map(({ step, verdict, products }) => [step, verdict, products.map(({ output, units }) => [output, units])]),
      [
        [
          'part',
          'different',
          [
            ['x', ['part:1']],
            ['(result)', undefined],
          ],
        ],
        [
          'all',
          'same',
          [
            ['y', undefined],
            ['(result)', undefined],
          ],
        ],
      ],
    );
  });

  test('two runs differ by what they were made from, by cache keys and by what came out, with times', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare(CHAIN, SPEC);
    const first = await p.start({ depth: 5 });
    await work(p);
    await p.declare([...CHAIN, { name: 'tell', command: command('tell'), needs: ['score'] }], SPEC);
    const second = await p.start({ depth: 6 });
    await work(p, ({ step }) => (step === 'fit' ? ' deeper' : ''));
    const third = await p.start({ depth: 6 });
    await work(p);

    const { before, now, made, steps } = await p.records.difference(first, second);
    const again = await p.records.difference(second, third);

    assert.deepEqual([before.run, before.status, now.run, now.params], [first, 'succeeded', second, { depth: 6 }]);
    assert.deepEqual(made, [
      { name: 'generation', before: 1, now: 2 },
      { name: 'params.depth', before: 5, now: 6 },
    ]);
    assert.deepEqual(
      steps.map(({ step, verdict, ingredients }) => [step, verdict, ingredients.map(({ ingredient }) => ingredient)]),
      [
        ['fit', 'different', ['params.depth']],
        ['score', 'same', ['inputs.model']],
        ['tell', 'absent', []],
      ],
    );
    const [fit] = steps;
    assert.ok(fit?.before?.key && fit.now?.key && fit.before.key !== fit.now.key);
    assert.ok(fit.now.startedAt !== null && fit.now.finishedAt !== null);
    assert.deepEqual([fit.products[0]?.before, fit.products[0]?.same], [digestOf('fit.model'), false]);
    assert.deepEqual(
      again.steps.map(({ verdict, ingredients, now: side }) => [verdict, ingredients, side?.status, side?.cachedFrom]),
      Array.from({ length: 3 }, () => ['same', [], 'cached', second]),
    );
    assert.deepEqual(again.made, []);
    await assert.rejects(p.records.difference(first, 'prun_nowhere'), { code: 'pipelines/run-not-found' });
  });

  test('decisions and waits are kept, and a step that now fails is a difference', async (t) => {
    const p = await openPipelines(t, open);
    const gate = { name: 'gate', approval: {} };
    await p.declare([gate, { name: 'fit', command: command('fit'), needs: ['gate'], outputs: ['x'], retries: 0 }]);
    const of = await p.start();
    await p.control.decide(context, { run: of, step: 'gate' }, { approve: true, reason: 'looks fine' });
    await work(p);
    const { run } = await p.records.reproduce(context, of);
    const [fit] = await p.lease();
    assert.ok(fit);
    await p.fail(fit);

    const { same, steps } = await p.records.compare(run);

    assert.equal(same, false);
    assert.deepEqual(
      steps.map(({ step, verdict, before, now }) => [step, verdict, before, now]),
      [
        ['gate', 'kept', 'succeeded', 'cached'],
        ['fit', 'different', 'succeeded', 'failed'],
      ],
    );
  });

  test('what cannot be done again is refused with the name of what is missing', async (t) => {
    const p = await openPipelines(t, open);
    const { digest: code } = await p.put('{"files":{}}');
    const fit = { name: 'fit', function: { module: 'a.ts', export: 'fit' } };
    await p.declare([fit], { code });
    const of = await p.start();
    await assert.rejects(p.records.reproduce(context, of), {
      code: 'pipelines/run-not-so',
      message: /wait for its end/,
    });
    await work(p);
    await assert.rejects(p.records.compare(of), { code: 'pipelines/run-not-so', message: /reproduces no other/ });

    await p.blobs.delete(code);

    await assert.rejects(p.records.reproduce(context, of), {
      code: 'pipelines/not-reproducible',
      message: new RegExp(`its code bundle ${code} is gone`),
    });
    await assert.rejects(p.records.reproduce(context, 'prun_none'), { code: 'pipelines/run-not-found' });
  });
});
