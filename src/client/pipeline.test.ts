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
