import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import { pipelineMigrations } from '../index.ts';
import { command, context, openPipelines } from '../testing.ts';
import type { Plan } from './contract.ts';
import { Plans } from './service.ts';

const STEPS = [
  { name: 'prepare', command: command('prepare'), outputs: ['table'] },
  { name: 'part', command: command('part'), map: { count: 2 }, inputs: { table: 'prepare.table' }, outputs: ['x'] },
  {
    ...{ name: 'fit', command: command('fit'), params: { depth: '${params.depth}' } },
    ...{ inputs: { xs: 'part.x' }, outputs: ['model'] },
  },
  { name: 'score', command: command('score'), inputs: { model: 'fit.model' } },
  { name: 'gate', approval: {}, needs: ['score'] },
  { name: 'deep', command: command('deep'), when: { of: 'params.depth', atLeast: 5 } },
  { name: 'after', command: command('after'), needs: ['deep'] },
  { name: 'always', command: command('always'), cache: false },
  { name: 'tell', command: command('tell'), onFailure: true },
];
const SPEC = { params: { depth: { type: 'integer', default: 3 } } };

const outcomes = ({ steps }: Plan) => Object.fromEntries(steps.map(({ step, outcome }) => [step, outcome]));

forEachDialect('Plans of runs', pipelineMigrations, (open) => {
  test('a plan says what is cached, what runs and why, and what only a run can tell; it starts nothing', async (t) => {
    const p = await openPipelines(t, open);
    const plans = new Plans({ ...p.deps, blobs: p.blobs });
    await p.declare(STEPS, SPEC);
    const fresh = await plans.plan(context, { pipeline: 'p', params: {} });
    const run = await p.start();
    for (let attempts = await p.lease(); attempts.length > 0; attempts = await p.lease()) {
      for (const attempt of attempts) await p.succeed(attempt);
    }
    const before = await p.audit();

    const same = await plans.plan(context, { pipeline: 'p', params: {} });
    const deeper = await plans.plan(context, { pipeline: 'p', params: { depth: 7 } });
    const steps = [{ ...STEPS[0], env: { MODE: 'fast' } }, ...STEPS.slice(1)];
    const changed = await plans.plan(context, { pipeline: 'p', spec: { steps, ...SPEC }, params: {} });

    const rest = { gate: 'wait', after: 'skip', deep: 'skip', always: 'run', tell: 'on-failure' };
    assert.deepEqual(outcomes(fresh), { prepare: 'run', part: 'depends', fit: 'depends', score: 'depends', ...rest });
    assert.deepEqual(outcomes(same), { prepare: 'cached', part: 'cached', fit: 'cached', score: 'cached', ...rest });
    assert.deepEqual(
      same.steps.map(({ units }) => units).filter((units) => units !== null),
      [{ all: 2, cached: 2 }],
    );
    assert.equal(same.steps[0]?.other, run);
    const deep = { deep: 'run', after: 'run' };
    const expected = { prepare: 'cached', part: 'cached', fit: 'run', score: 'depends', ...rest, ...deep };
    assert.deepEqual(outcomes(deeper), expected);
    const [fit] = deeper.steps.filter(({ step }) => step === 'fit');
    assert.deepEqual(fit?.differences, [{ ingredient: 'params.depth', before: 3, now: 7 }]);
    assert.deepEqual(outcomes(changed), { prepare: 'run', part: 'depends', fit: 'depends', score: 'depends', ...rest });
    assert.deepEqual(changed.steps[0]?.differences, [{ ingredient: 'env.MODE', before: null, now: 'fast' }]);
    assert.deepEqual([await p.audit(), (await p.service.runs({ limit: 10 })).items.length], [before, 1]);
  });

  test('a plan of what is no pipeline, or lacks a parameter, is refused with the field', async (t) => {
    const p = await openPipelines(t, open);
    const plans = new Plans({ ...p.deps, blobs: p.blobs });
    await p.declare([{ name: 'a', command: command('a') }], { params: { day: { type: 'string' } } });

    await assert.rejects(plans.plan(context, { pipeline: 'none', params: {} }), { code: 'pipelines/not-found' });
    await assert.rejects(plans.plan(context, { pipeline: 'p', params: {} }), { message: /day/ });
    const spec = { steps: [{ name: 'a', command: ['x'], inputs: { y: 'b.y' } }] };
    await assert.rejects(plans.plan(context, { pipeline: 'p', spec, params: {} }), {
      code: 'pipelines/invalid-params',
      message: /body\.spec\.steps\.0/,
    });
  });
});
