import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveParams } from './params.ts';
import { pipelineSpec } from './spec.ts';

const command = ['/bin/true'];

/** The issues of a spec as `path: message`. */
function issuesOf(spec: unknown): string[] {
  const parsed = pipelineSpec.safeParse(spec);
  return parsed.success ? [] : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
}

test('a pipeline of one command needs nothing else, and gets the defaults', () => {
  const { steps } = pipelineSpec.parse({ steps: [{ name: 'only', command }] });

  const [only] = steps;
  assert.deepEqual([only?.cache, only?.retries, only?.timeout], [true, 2, '30m']);
});

test('unknown references, duplicates and cycles are told with the path of the step', () => {
  const twice = [
    { name: 'a', command },
    { name: 'a', command },
  ];
  const lost = [{ name: 'a', command, needs: ['b'], inputs: { x: 'c.y', z: 'a.q', w: 'nodot' } }];
  const cycle = [
    { name: 'a', command, needs: ['c'] },
    { name: 'b', command, inputs: { x: 'a.y' } },
    { name: 'c', command, needs: ['b'] },
  ].map((step) => ({ ...step, outputs: ['y'] }));

  assert.deepEqual(issuesOf({ steps: twice }), ["steps.1.name: 'a' is declared twice"]);
  assert.deepEqual(issuesOf({ steps: lost }), [
    "steps.0.needs.0: there is no step 'b'",
    "steps.0.inputs.x: there is no step 'c'",
    "steps.0.inputs.z: step 'a' declares no output 'q' (it declares: none)",
    "steps.0.inputs.w: 'nodot' is neither <step>.<output>, result:<step>, input:<name> nor <kind>:<name>, " +
      'as in dataset:flights',
  ]);
  assert.deepEqual(issuesOf({ steps: cycle }), ['steps.0.needs: the steps wait for each other: a -> c -> b -> a']);
});

test('a step is a function of the code bundle, a command, an approval or a wait', () => {
  const fn = { module: 'steps.ts', export: 'train' };

  assert.deepEqual(issuesOf({ steps: [{ name: 'a' }] }), [
    'steps.0.function: expected exactly one of function, command, approval, wait, pipeline',
  ]);
  assert.deepEqual(issuesOf({ steps: [{ name: 'a', command, function: fn }], code: `sha256:${'0'.repeat(64)}` }), [
    'steps.0.function: expected exactly one of function, command, approval, wait, pipeline',
  ]);
  assert.deepEqual(issuesOf({ steps: [{ name: 'a', function: fn }] }), [
    'steps.0.function: needs the code bundle of the pipeline: set code',
  ]);
});

test('modules stay inside the bundle, names that would clash in the environment are refused', () => {
  const withModule = (module: string) =>
    issuesOf({ code: `sha256:${'0'.repeat(64)}`, steps: [{ name: 'a', function: { module, export: 'x' } }] });

  for (const module of ['../steps.ts', '/etc/passwd.ts', 'a/../../b.ts', './steps.ts']) {
    assert.notDeepEqual(withModule(module), [], module);
  }
  assert.deepEqual(withModule('lib/steps.ts'), []);
  assert.deepEqual(issuesOf({ steps: [{ name: 'a', command, outputs: ['x-y', 'x_y'] }] }), [
    "steps.0.outputs: 'x-y' and 'x_y' have the same name in the environment",
  ]);
  assert.match(issuesOf({ steps: [{ name: 'a', command, env: { KEDGE_TOKEN: 'x' } }] }).join(), /steps.0.env/);
});

test('references to parameters must be declared, and defaults must fit their type', () => {
  const steps = [{ name: 'a', command, params: { deep: { list: ['${params.depth}', '${params.width}'] } } }];

  assert.deepEqual(
    issuesOf({ params: { depth: { type: 'integer', default: 1.5 } }, steps: [{ name: 'a', command }] }),
    ['params.depth.default: expected an integer'],
  );
  assert.deepEqual(issuesOf({ params: { depth: { type: 'integer' } }, steps }), [
    "steps.0.params.deep: the pipeline declares no parameter 'width'",
  ]);
});

test('201 steps and a timeout of 15 days are past the limits', () => {
  const many = Array.from({ length: 201 }, (_, i) => ({ name: `s${i}`, command }));

  assert.equal(issuesOf({ steps: many }).length, 1);
  assert.deepEqual(issuesOf({ steps: [{ name: 'a', command, timeout: '15d' }] }), [
    'steps.0.timeout: expected a duration from 1ms to 14d',
  ]);
});

test('parameters are checked against their types, with the defaults of the rest', () => {
  const declared = {
    name: { type: 'string' },
    rate: { type: 'number', default: 0.1 },
    depth: { type: 'integer' },
    fast: { type: 'boolean', default: false },
    from: { type: 'timestamp' },
    window: { type: 'duration', default: '7d' },
  } as const;

  const good = resolveParams(declared, { name: 'x', depth: 3, from: '2001-01-01T00:00:00Z' });
  const bad = resolveParams(declared, { name: 1, depth: 2.5, from: 'yesterday', window: 'long', extra: 1 });

  assert.deepEqual(good, {
    params: { name: 'x', rate: 0.1, depth: 3, fast: false, from: 978_307_200_000, window: '7d' },
    issues: [],
  });
  assert.deepEqual(
    bad.issues.map((issue) => issue.path),
    ['params.extra', 'params.name', 'params.depth', 'params.from', 'params.window'],
  );
  assert.deepEqual(resolveParams(declared, {}).issues[0], {
    path: 'params.name',
    message: 'is required: it has no default',
  });
});

test('a pause and an age are refused where no program is tried again or cached', () => {
  const issues = (step: object) => issuesOf({ steps: [{ name: 'a', ...step }] });
  const [cache, backoff] = [{ maxAge: '1d' }, { first: '1s' }];

  assert.deepEqual(issues({ command, cache, backoff }), []);
  for (const step of [{ pipeline: 'q' }, { wait: { for: '1h' } }]) {
    assert.match(issues({ ...step, cache })[0] ?? '', /^steps\.0\.cache: only the work of programs/);
    assert.match(issues({ ...step, backoff })[0] ?? '', /^steps\.0\.backoff: only programs/);
  }
});

test('a wait or a map that is wrong is told by the shape that was meant', () => {
  const step = { name: 'a', command };
  const wait = (given: unknown) => issuesOf({ steps: [{ name: 'a', wait: given }] });
  const map = (given: unknown) => issuesOf({ steps: [{ ...step, map: given }] });

  assert.deepEqual(wait({}), ['steps.0.wait: expected one of for, until, event']);
  assert.deepEqual(wait({ for: '20d' }), ['steps.0.wait.for: expected a duration from 1ms to 14d']);
  assert.match(wait({ event: 'x', where: { '1': true } })[0] ?? '', /^steps\.0\.wait: where\.1: /);
  assert.match(map({ partitions: { every: 'day' } })[0] ?? '', /^steps\.0\.map: partitions\.from: .*expected string/);
  assert.deepEqual(map({ partitions: { every: 'day', from: '${params.x}' } }), [
    "steps.0.map: the pipeline declares no parameter 'x'",
  ]);
});
