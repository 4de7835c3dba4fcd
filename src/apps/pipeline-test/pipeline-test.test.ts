import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pipelineSpec } from '#pipelines/contract';
import { missingIn, testCase } from './case.ts';
import { derive } from './derive.ts';
import { openPipelineTest, type PipelineTest } from './index.ts';
import { contractProblem, shapeOf, shapeProblem } from './shape.ts';

const script = (...lines: readonly string[]) => {
  const names = "const fs = require('fs'), path = require('path'), e = process.env";
  return ['node', '-e', [names, ...lines].join('; ')];
};
const PROJECT = {
  project: 'tested',
  resources: [
    {
      kind: 'dataset',
      name: 'flights',
      spec: { eventTime: 'at', expectations: [{ name: 'late', row: 'delay >= 0' }] },
    },
    {
      kind: 'pipeline',
      name: 'delays',
      spec: {
        params: { scale: { type: 'number', default: 1 } },
        steps: [
          {
            name: 'count',
            command: script(
              'const { blobs } = JSON.parse(fs.readFileSync(e.KEDGE_INPUT_ROWS))',
              'const rows = blobs.reduce((sum, blob) => sum + blob.rows, 0)',
              'fs.writeFileSync(e.KEDGE_OUTPUT_COUNT_JSON, JSON.stringify({ rows, files: blobs.length }))',
            ),
            inputs: { rows: 'dataset:flights' },
            outputs: ['count.json'],
            labels: { gpu: 'a100' },
            resources: { gpu: 8 },
          },
          {
            name: 'scale',
            command: script(
              'const { rows } = JSON.parse(fs.readFileSync(e.KEDGE_INPUT_COUNT))',
              "console.log('rows', rows)",
              'fs.writeFileSync(e.KEDGE_RESULT, JSON.stringify({ scaled: rows * e.KEDGE_PARAM_SCALE }))',
              "fs.writeFileSync(path.join(path.dirname(e.KEDGE_OUTPUT_DONE), 'notes.txt'), 'x')",
              "fs.writeFileSync(e.KEDGE_OUTPUT_DONE, '')",
            ),
            params: { scale: '${params.scale}' },
            inputs: { count: 'count.count.json' },
            outputs: ['done'],
            needs: ['hold'],
          },
          { name: 'hold', wait: { for: '10d' } },
          { name: 'last', command: ['false'], needs: ['scale'], when: { of: 'scale.scaled', atLeast: 10 } },
        ],
      },
    },
  ],
};
const SPEC = pipelineSpec.parse(PROJECT.resources[1]?.spec);

let folder = '';
let pipelines: PipelineTest;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-pipeline-test-'));
  await writeFile(join(folder, 'kedge.json'), JSON.stringify(PROJECT));
  pipelines = await openPipelineTest(join(folder, 'kedge.json'));
});

after(async () => {
  await pipelines.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const rows = [
  { at: '2026-01-01T00:00:00Z', delay: 3 },
  { at: '2026-01-02T00:00:00Z', delay: 5 },
];

test('steps run on the rows that are given for a dataset, whatever machine and time they ask for', async () => {
  const run = await pipelines.run({ given: { 'dataset:flights': { rows } }, steps: ['count', 'scale', 'hold'] });

  assert.equal(run.status, 'succeeded', run.explain());
  assert.deepEqual(run.steps['count']?.outputs['count.json']?.json(), { rows: 2, files: 1 });
  assert.deepEqual([run.steps['scale']?.result, run.steps['scale']?.log], [{ scaled: 2 }, ['rows 2']]);
});

test('a file that a step wrote and did not declare is told, and a fixture unlike what the step writes', async () => {
  const given = { 'count.count.json': { json: { rows: 5, pages: 1 } } };

  const run = await pipelines.run({ name: 'by hand', given, steps: ['scale'], params: { scale: 3 } });

  assert.deepEqual(run.steps['scale']?.result, { scaled: 15 });
  assert.equal(run.steps['count']?.given, true);
  assert.deepEqual(run.problems, [
    "step 'scale' wrote 'notes.txt' beside its outputs, where it is lost: declare it, or write it elsewhere",
    "what case 'by hand' gives for count.count.json is not like what the step wrote in 'case': " +
      'it lacks the field files; it has the field pages, which the step does not write',
  ]);
});

test('expectations and contracts that do not hold are told, failed steps with their log', async () => {
  const run = await pipelines.run(
    {
      given: { 'count.count.json': { json: { rows: -2, files: 1 } } },
      steps: ['scale', 'last'],
      params: { scale: -5 },
      expect: { steps: { scale: { result: { scaled: 11 } }, last: { reason: 'exit' } } },
    },
    { contracts: { 'count.count.json': { json: { properties: { rows: { minimum: 0 } } } } } },
  );

  const [undeclared, ...problems] = run.problems;
  assert.match(undeclared ?? '', /notes\.txt/);
  assert.deepEqual(problems, [
    'what is given for count.count.json breaks its contract, which scale reads: it/rows must be >= 0',
    'the run failed, expected that it succeeded',
    "the result of step 'scale' is not as expected: scaled is 10, expected 11",
  ]);
  assert.match(run.explain(), /^step 'last' failed: exit-code: the process ended with code 1/);
});

test('what a case lacks or names wrongly is told before anything runs, with what to do', async () => {
  const problemsOf = (input: object) => derive(SPEC, testCase.parse(input), () => '').problems;

  assert.deepEqual(problemsOf({ steps: ['scale'] }), [
    "step 'scale' reads count.count.json as 'count', and nothing provides it: " +
      "give 'count.count.json' (a file, text, json or rows), or run 'count' too",
  ]);
  assert.deepEqual(problemsOf({ steps: ['last'] }), [
    "step 'last' looks at what 'scale' returned: say so under results, or run it too",
  ]);
  assert.deepEqual(problemsOf({ steps: ['last', 'lost'], results: { scale: { scaled: 1 } } }), [
    "steps: the pipeline has no step 'lost' (it has: count, scale, hold, last)",
  ]);
  const nested = pipelineSpec.parse({
    steps: [
      { name: 'train', pipeline: 'one', outputs: ['fit.model'] },
      { name: 'use', command: ['true'], inputs: { model: 'train.fit.model' } },
    ],
  });
  const inside = (input: object) => derive(nested, testCase.parse(input), () => '').problems;
  assert.deepEqual(inside({}), [
    "step 'train' runs pipeline 'one', which is not there: give its outputs or results instead, " +
      "and test 'one' by a case of its own",
  ]);
  assert.deepEqual(inside({ given: { 'train.fit.model': { text: 'm' } } }), []);
  const taking = pipelineSpec.parse({
    inputs: { rows: { type: 'file' } },
    steps: [
      { name: 'count', command: ['true'], inputs: { rows: 'input:rows', of: 'result:list' } },
      { name: 'list', command: ['true'] },
    ],
  });
  const given = (input: object) => derive(taking, testCase.parse(input), () => '').problems;
  assert.deepEqual(given({ steps: ['count'] }), [
    "step 'count' reads input.rows as 'rows', and nothing provides it: " +
      "give 'input.rows' (a file, text, json or rows), or run 'input' too",
    "step 'count' looks at what 'list' returned: say so under results, or run it too",
  ]);
  assert.deepEqual(given({ given: { 'input:rows': { text: 'a' } } }), []);
  const [unknown] = problemsOf({ given: { 'count.cuont.json': { text: '' } } });
  assert.equal(
    unknown,
    "given: no step declares the output 'count.cuont.json' (declared are: count.count.json, scale.done)",
  );
  await assert.rejects(pipelines.run({ steps: ['count'] }), {
    name: 'PipelineTestError',
    message: /steps read dataset:flights: give rows for it under given/,
  });
  const bad = { 'dataset:flights': { rows: [{ at: '2026-01-01T00:00:00Z', delay: -1 }] } };
  await assert.rejects(pipelines.run({ steps: ['count'], given: bad }), /the dataset holds rows back/);
  await assert.rejects(pipelines.run({ pipeline: 'none' }), /declares the pipelines delays: there is no 'none'/);
});

test('shapes are the columns of tables and the fields of objects, and tell how two differ', () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const csv = shapeOf('a.csv', bytes('\uFEFF"id, old",km\r\n1,2\n'));
  const lines = shapeOf('a.jsonl', bytes('{"id":1,"tags":[]}\n{"x":1}\n'));

  assert.deepEqual(csv, { kind: 'table', fields: { 'id, old': '', km: '' } });
  assert.deepEqual(lines, { kind: 'table', fields: { id: 'a number', tags: 'a list' } });
  assert.equal(shapeOf('a.bin', bytes('\u0000')), undefined);
  assert.equal(shapeOf('a.json', bytes('[1]')), undefined);
  const one = shapeOf('a.json', bytes('{"id":"1"}'));
  assert.ok(one && lines);
  assert.match(
    shapeProblem(one, { kind: 'object', fields: { id: 'a number' } }) ?? '',
    /id is a string, and a number as/,
  );
  assert.equal(contractProblem({ columns: ['km'] }, 'a.csv', bytes('id,km\n')), undefined);
  assert.match(contractProblem({ columns: ['miles'] }, 'a.csv', bytes('id,km\n')) ?? '', /lacks the column miles/);
  assert.equal(contractProblem({ json: { type: 'object' } }, 'a.json', bytes('no')), 'it is not JSON');
});

test('what is expected of a result may leave out fields, but no items', () => {
  assert.equal(missingIn({ a: { b: 1 } }, { a: { b: 1, c: 2 }, d: 3 }), undefined);
  assert.equal(missingIn({ a: [1] }, { a: [1, 2] }), 'a has 2 items, expected 1');
  assert.equal(missingIn({ a: [{ b: 2 }] }, { a: [{ b: 3 }] }), 'a[0].b is 3, expected 2');
  assert.equal(missingIn({ a: {} }, { a: null }), 'a is null, expected an object');
  assert.equal(missingIn(1, undefined), 'it is absent, expected 1');
});

test('commands have their files, and a file that is not there is told with its step', async () => {
  const of = (from: string) => ({
    project: 'filed',
    resources: [
      {
        ...{ kind: 'pipeline', name: 'filed' },
        spec: { steps: [{ name: 'say', command: ['node', 'lib/say.cjs'], files: { 'lib/say.cjs': from } }] },
      },
    ],
  });
  await writeFile(join(folder, 'say.cjs'), "console.log('said', __filename.split('/').slice(-2).join('/'))");
  await writeFile(join(folder, 'filed.json'), JSON.stringify(of('say.cjs')));
  await writeFile(join(folder, 'lost.json'), JSON.stringify(of('lost.cjs')));
  const [filed, lost] = [
    await openPipelineTest(join(folder, 'filed.json')),
    await openPipelineTest(join(folder, 'lost.json')),
  ];
  try {
    const run = await filed.run();
    assert.deepEqual([run.status, run.steps['say']?.log], ['succeeded', ['said lib/say.cjs']], run.explain());
    await assert.rejects(lost.run(), {
      name: 'PipelineTestError',
      message: /pipeline 'filed', step 'say': files\.lib\/say\.cjs: lost\.cjs does not exist/,
    });
  } finally {
    await Promise.all([filed.close(), lost.close()]);
  }
});

test('a folder stands for a directory that a step reads, and what one wrote is there by its paths', async () => {
  const steps = [
    { name: 'fit', command: ['false'], outputs: ['model/'] },
    {
      name: 'copy',
      command: script('fs.cpSync(e.KEDGE_INPUT_MODEL, path.join(e.KEDGE_OUTPUT_ALL, "in"), { recursive: true })'),
      inputs: { model: 'fit.model' },
      outputs: ['all/'],
    },
  ];
  const resource = { kind: 'pipeline', name: 'directories', spec: { steps } };
  await writeFile(join(folder, 'directories.json'), JSON.stringify({ project: 'd', resources: [resource] }));
  await mkdir(join(folder, 'fixture', 'data'), { recursive: true });
  await writeFile(join(folder, 'fixture', 'data', 'a.txt'), 'as given');
  const tests = await openPipelineTest(join(folder, 'directories.json'));
  try {
    const run = await tests.run({ given: { 'fit.model': { file: 'fixture' } } });
    assert.deepEqual([run.status, run.problems], ['succeeded', []], run.explain());
    const { files } = run.steps['copy']?.outputs['all'] ?? {};
    assert.deepEqual(Object.keys(files ?? {}), ['in/data/a.txt']);
    assert.equal(files?.['in/data/a.txt']?.text(), 'as given');
    const refused = (fixture: { file: string } | { text: string }, message: RegExp) =>
      assert.rejects(tests.run({ given: { 'fit.model': fixture } }), { name: 'PipelineTestError', message });
    await refused({ text: 'x' }, /given 'fit\.model': it is a directory: give \{ file: <folder> \}/);
    await refused({ file: 'directories.json' }, /given 'fit\.model': .* is no folder/);
  } finally {
    await tests.close();
  }
});
