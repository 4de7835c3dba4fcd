import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseDeclaration } from './model-declaration.ts';
import { type PartSpec, planGraph, referencesOf, sourceOf } from './model-graph.ts';

const tensor = (name: string, datatype: 'FP32' | 'INT64' | 'BYTES' = 'FP32', shape: readonly number[] = [-1, 1]) => ({
  name,
  datatype,
  shape,
});
const PARTS: Readonly<Record<string, PartSpec>> = {
  'line@1': { inputs: [tensor('x')], outputs: [tensor('y')] },
  'pair@1': { inputs: [tensor('features', 'FP32', [-1, 2])], outputs: [tensor('p')] },
  'label@1': { inputs: [tensor('x')], outputs: [tensor('class', 'INT64', [-1])] },
};
const line = (name: string, from: string, more: object = {}) => ({
  name,
  model: 'line@1',
  inputs: { x: from },
  ...more,
});

function plan(graph: object): readonly string[] {
  const declaration = parseDeclaration(JSON.stringify({ runtime: 'graph', inputs: [tensor('x')], ...graph }));
  assert.equal(declaration.runtime, 'graph');
  if (declaration.runtime !== 'graph') return [];
  return planGraph(declaration, (model) => PARTS[model] ?? assert.fail(model)).order.map(({ name }) => name);
}

test('nodes run after those they take from, in whichever order they are declared', () => {
  const nodes = [
    { name: 'meta', model: 'pair@1', inputs: { features: 'both.value' } },
    { name: 'both', combine: 'stack', of: ['a.y', 'b.y'] },
    line('b', 'a.y'),
    line('a', 'x'),
  ];
  assert.deepEqual(plan({ nodes, outputs: { p: 'meta.p' } }), ['a', 'b', 'both', 'meta']);
});

test('a graph that does not hold together is refused with its place', () => {
  const out = { outputs: { y: 'a.y' } };
  for (const [graph, words] of [
    [{ nodes: [line('a', 'b.y'), line('b', 'a.y')], ...out }, /nodes\.a: takes from itself: a ← b ← a/],
    [{ nodes: [line('a', 'z')], ...out }, /nodes\.a\.inputs\.x: there is no 'z'; there are x/],
    [{ nodes: [line('a', 'x'), line('a', 'x')], ...out }, /nodes: expected each name once/],
    [{ nodes: [line('a', 'x')], outputs: { y: 'a.z' } }, /outputs\.y: there is no 'a\.z'/],
    [{ nodes: [{ name: 'a', model: 'line@1', inputs: {} }], ...out }, /nodes\.a\.inputs\.x: is missing/],
    [
      { nodes: [{ name: 'a', model: 'line@1', inputs: { x: 'x', q: 'x' } }], ...out },
      /nodes\.a\.inputs\.q: is not an input of line@1, which takes x/,
    ],
    [
      { nodes: [{ name: 'a', model: 'pair@1', inputs: { features: 'x' } }], outputs: { y: 'a.p' } },
      /nodes\.a\.inputs\.features: pair@1 takes FP32 \[-1,2\], 'x' is FP32 \[-1,1\]/,
    ],
    [
      { nodes: [{ name: 'l', model: 'label@1', inputs: { x: 'x' } }, line('a', 'l.class')], ...out },
      /nodes\.a\.inputs\.x: line@1 takes FP32 \[-1,1\], 'l\.class' is INT64 \[-1\]/,
    ],
    [
      { nodes: [line('a', 'x'), { name: 'm', combine: 'mean', of: ['a.y'], weights: [1, 2] }], ...out },
      /nodes\.m\.weights: has 2 weights for 1 members/,
    ],
    [
      { nodes: [line('a', 'x'), { name: 'm', combine: 'mean', of: ['a.y'], atLeast: 2 }], ...out },
      /nodes\.m\.atLeast: is over the 1 members/,
    ],
    [{ nodes: [line('a', 'x', { onFailure: 'skip' })], ...out }, /outputs\.y: 'a\.y' may be skipped/],
    [
      { nodes: [line('a', 'x', { onFailure: 'skip' }), line('b', 'a.y')], outputs: { y: 'b.y' } },
      /nodes\.b\.inputs\.x: 'a\.y' may be skipped, which only mean and vote can do without/,
    ],
    [
      {
        nodes: [
          line('a', 'x'),
          { name: 'v', combine: 'vote', of: ['a.y', 'l.class'] },
          { name: 'l', model: 'label@1', inputs: { x: 'x' } },
        ],
        ...out,
      },
      /nodes\.v\.of\.1: 'l\.class' is INT64 \[-1\], 'a\.y' FP32 \[-1,1\]/,
    ],
  ] as const) {
    assert.throws(() => plan(graph), words);
  }
});

test('any graph is refused or comes in an order in which every node has what it takes', () => {
  const names = ['a', 'b', 'c', 'd', 'e'];
  const source = fc.constantFrom('x', ...names.map((name) => `${name}.y`));
  const graphs = fc.uniqueArray(fc.record({ name: fc.constantFrom(...names), from: source }), {
    selector: ({ name }) => name,
    minLength: 1,
  });
  fc.assert(
    fc.property(graphs, (drafts) => {
      const nodes = drafts.map(({ name, from }) => line(name, from));
      let order: readonly string[];
      try {
        order = plan({ nodes, outputs: { y: `${nodes[0]?.name}.y` } });
      } catch (error) {
        assert.match(String(error), /takes from itself|there is no/);
        return;
      }
      assert.equal(order.length, nodes.length);
      for (const node of nodes) {
        const parsed = { ...node, onFailure: 'fail' as const };
        for (const [, reference] of referencesOf(parsed)) {
          const { node: before } = sourceOf(reference);
          assert.ok(before === undefined || order.indexOf(before) < order.indexOf(node.name));
        }
      }
    }),
  );
});
