import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pipelineSpec } from '#pipelines/contract';
import { pipeline, pipelineStep } from './index.ts';

const inner = pipeline('inner', {
  params: {
    depth: { type: 'integer' },
    name: { type: 'string', default: 'x' },
    fast: { type: 'boolean', default: true },
  },
  steps: [
    { name: 'fit', command: ['fit'], outputs: ['model', 'notes'] },
    { name: 'each', command: ['each'], outputs: ['part'], map: { count: 3 } },
  ],
});

test('a step that runs another pipeline is declared from it, and compiles with what that has only', () => {
  const middle = pipeline('middle', {
    params: { size: { type: 'integer', default: 1 } },
    steps: [
      pipelineStep('train', inner, { params: { depth: '${params.size}', fast: false }, outputs: ['fit.model'] }),
      { name: 'use', command: ['use'], inputs: { model: 'train.fit.model' } },
    ],
  });
  const outer = pipeline('outer', {
    steps: [pipelineStep('all', middle, { outputs: ['train.fit.model'], cache: false }), pipelineStep('again', middle)],
  });

  const [train] = pipelineSpec.parse(middle.spec).steps;
  assert.deepEqual([train?.pipeline, train?.outputs], ['inner', ['fit.model']]);
  assert.deepEqual(train?.params, { depth: '${params.size}', fast: false });
  const [all, again] = pipelineSpec.parse(outer.spec).steps;
  assert.deepEqual([all?.pipeline, all?.outputs, all?.cache], ['middle', ['train.fit.model'], false]);
  assert.deepEqual([again?.pipeline, again?.outputs, again?.params], ['middle', [], {}]);
});

test('what the pipeline has not does not compile; it is for the control plane to refuse where it comes anyway', () => {
  const wrong = [
    // @ts-expect-error: `depth` has no default.
    pipelineStep('n', inner),
    // @ts-expect-error: `depth` is a number.
    pipelineStep('n', inner, { params: { depth: 'deep' } }),
    // @ts-expect-error: there is no `width`.
    pipelineStep('n', inner, { params: { depth: 1, width: 2 } }),
    // @ts-expect-error: `fit` writes no `tree`.
    pipelineStep('n', inner, { params: { depth: 1 }, outputs: ['fit.tree'] }),
    // @ts-expect-error: `each` is divided into units.
    pipelineStep('n', inner, { params: { depth: 1 }, outputs: ['each.part'] }),
  ];
  assert.deepEqual(
    wrong.map(({ params, outputs }) => [params, outputs]),
    [
      [{}, []],
      [{ depth: 'deep' }, []],
      [{ depth: 1, width: 2 }, []],
      [{ depth: 1 }, ['fit.tree']],
      [{ depth: 1 }, ['each.part']],
    ],
  );
});

const taking = pipeline('taking', {
  inputs: { rows: { type: 'file' }, best: { type: 'json' }, flights: { type: 'dataset', default: 'dataset:flights' } },
  params: { depth: { type: 'integer', default: 1 } },
  steps: [{ name: 'fit', command: ['fit'], inputs: { r: 'input:rows', f: 'input:flights' }, outputs: ['model'] }],
});

test('outputs and results are handed on to what they fit, and lists come from what is divided', () => {
  const lists = pipeline('lists', {
    inputs: { models: { type: 'files' } },
    steps: [{ name: 'pick', command: ['pick'], inputs: { m: 'input:models' } }],
  });
  const outer = pipeline('outer', {
    inputs: { tables: { type: 'dataset', default: 'dataset:flights' } },
    steps: [
      { name: 'prep', command: ['prep'], outputs: ['rows'] },
      pipelineStep('one', taking, {
        inputs: { rows: 'prep.rows', best: 'result:prep.best', flights: 'input:tables' },
        outputs: ['fit.model'],
      }),
      pipelineStep('each', taking, {
        params: { depth: '${item}' },
        inputs: { rows: 'one.fit.model', best: 'result:prep', flights: 'dataset:other' },
        outputs: ['fit.model'],
        map: { items: [1, 2], concurrency: 1, failures: 'stop' },
      }),
      pipelineStep('all', lists, { inputs: { models: 'each.fit.model' } }),
      { name: 'last', command: ['last'], inputs: { a: 'each.fit.model', b: 'result:all', c: 'dataset:flights' } },
    ],
  });
  const steps = pipelineSpec.parse(outer.spec).steps;
  assert.deepEqual(steps[1]?.inputs, { rows: 'prep.rows', best: 'result:prep.best', flights: 'input:tables' });
  assert.deepEqual(steps[2]?.map, { items: [1, 2], concurrency: 1, failures: 'stop' });
});

test('an output or a result that does not fit an input does not compile', () => {
  const prep = { name: 'prep', command: ['prep'], outputs: ['rows'] } as const;
  const parts = { name: 'parts', command: ['parts'], outputs: ['part'], map: { count: 2 } } as const;
  const both = { rows: 'prep.rows', best: 'result:prep' } as const;
  // @ts-expect-error: `rows` and `best` have no default.
  pipelineStep('n', taking);
  // @ts-expect-error: `best` has no default.
  pipelineStep('n', taking, { inputs: { rows: 'prep.rows' } });
  // @ts-expect-error: there is no input `more`.
  pipelineStep('n', taking, { inputs: { ...both, more: 'prep.rows' } });
  const wrong = [
    // @ts-expect-error: a file is no JSON.
    pipeline('p', { steps: [prep, pipelineStep('n', taking, { inputs: { ...both, best: 'prep.rows' } })] }),
    // @ts-expect-error: a list is no file.
    pipeline('p', { steps: [prep, parts, pipelineStep('n', taking, { inputs: { ...both, rows: 'parts.part' } })] }),
    // @ts-expect-error: a dataset is no file.
    pipeline('p', { steps: [prep, pipelineStep('n', taking, { inputs: { ...both, rows: 'dataset:flights' } })] }),
    // @ts-expect-error: `prep` writes no `table`.
    pipeline('p', { steps: [prep, pipelineStep('n', taking, { inputs: { ...both, rows: 'prep.table' } })] }),
    // @ts-expect-error: there is no step `tune`.
    pipeline('p', { steps: [prep, pipelineStep('n', taking, { inputs: { ...both, best: 'result:tune' } })] }),
    // @ts-expect-error: the pipeline declares no input `rows`.
    pipeline('p', { steps: [prep, pipelineStep('n', taking, { inputs: { ...both, rows: 'input:rows' } })] }),
    // @ts-expect-error: a program too reads what is written only.
    pipeline('p', { steps: [prep, { name: 'use', command: ['use'], inputs: { t: 'prep.table' } }] }),
  ];
  assert.equal(wrong.length, 7);
});

test('a directory is read without its slash, and is no file to a pipeline that is given it', () => {
  const scored = pipeline('scored', {
    inputs: { model: { type: 'directory' }, notes: {}, parts: { type: 'directories' } },
    steps: [{ name: 'score', command: ['score'], inputs: { model: 'input:model' }, outputs: ['report/'] }],
  });
  const outer = pipeline('outer', {
    steps: [
      { name: 'fit', command: ['fit'], outputs: ['model/', 'notes.txt'] },
      { name: 'each', command: ['each'], outputs: ['part/'], map: { count: 3 } },
      pipelineStep('score', scored, {
        inputs: { model: 'fit.model', notes: 'fit.notes.txt', parts: 'each.part' },
        outputs: ['score.report/'],
      }),
      { name: 'read', command: ['read'], inputs: { report: 'score.score.report', parts: 'each.part' } },
    ],
  });
  const wrong = pipeline('wrong', {
    steps: [
      { name: 'fit', command: ['fit'], outputs: ['model/', 'notes.txt'] },
      { name: 'each', command: ['each'], outputs: ['part/'], map: { count: 3 } },
      // @ts-expect-error: a directory is no file.
      pipelineStep('one', scored, { inputs: { model: 'fit.model', notes: 'fit.model', parts: 'each.part' } }),
      // @ts-expect-error: a file is no directory.
      pipelineStep('two', scored, { inputs: { model: 'fit.notes.txt', notes: 'fit.notes.txt', parts: 'each.part' } }),
      // @ts-expect-error: one directory is no list of them.
      pipelineStep('three', scored, { inputs: { model: 'fit.model', notes: 'fit.notes.txt', parts: 'fit.model' } }),
      // @ts-expect-error: an input names a directory without the slash.
      { name: 'read', command: ['read'], inputs: { model: 'fit.model/' } },
    ],
  });
  const given = { model: 'fit.model', notes: 'fit.notes.txt', parts: 'each.part' };
  // @ts-expect-error: `score` writes the directory `report/`.
  const unlike = pipelineStep('s', scored, { inputs: given, outputs: ['score.report'] });

  assert.deepEqual([wrong.name, unlike.outputs], ['wrong', ['score.report']]);
  assert.deepEqual(pipelineSpec.parse(outer.spec).steps[2]?.outputs, ['score.report/']);
});
