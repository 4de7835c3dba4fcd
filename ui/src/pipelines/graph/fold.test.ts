import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { stepView } from '../testing.ts';
import { folded, groupHolding, groupName, lineageOf } from './fold.ts';
import { layersOf } from './layers.ts';

const NOTHING = new Set<string>();

/** Sources with a chain each, joined; then models for folds, of which one failed. */
function wide() {
  const sources = Array.from({ length: 12 }, (_, at) => at);
  return [
    stepView('plan'),
    ...sources.map((at) => stepView(`extract_${at}`, { needs: ['plan'] })),
    ...sources.map((at) => stepView(`clean_${at}`, { needs: [`extract_${at}`] })),
    stepView('join', { needs: sources.map((at) => `clean_${at}`) }),
    ...sources.map((at) => stepView(`fit_${at}`, { needs: ['join'], status: at === 3 ? 'failed' : 'succeeded' })),
  ];
}

describe('steps that are alike', () => {
  test('are one node with a common name, and what failed stands by itself', () => {
    const nodes = folded(wide(), NOTHING);
    const told = nodes.map(({ label, steps }) => `${label} ${steps.length}`);
    assert.deepEqual(told.toSorted(), ['clean_… 12', 'extract_… 12', 'fit_3 1', 'fit_… 11', 'join 1', 'plan 1']);
    const join = nodes.find(({ id }) => id === 'join');
    assert.deepEqual(join?.needs, ['clean_0…']);
  });

  test('are shown each when their group is open, and a small run has no groups', () => {
    const steps = wide();
    const group = groupHolding(steps, 'clean_7');
    assert.equal(group, 'clean_0');
    const nodes = folded(steps, new Set(['clean_0']));
    assert.equal(nodes.filter(({ label }) => label.startsWith('clean_')).length, 12);
    assert.deepEqual(nodes.find(({ id }) => id === 'clean_7')?.needs, ['extract_0…']);
    assert.equal(folded(steps.slice(0, 20), NOTHING).length, 20);
  });

  test('make a graph that has each step once and no cycle', () => {
    const statuses = fc.constantFrom('succeeded' as const, 'failed' as const, 'running' as const);
    const graphs = fc.array(fc.tuple(fc.array(fc.nat(), { maxLength: 3 }), statuses), { minLength: 30, maxLength: 60 });
    fc.assert(
      fc.property(graphs, (wishes) => {
        const steps = wishes.map(([needs, status], at) =>
          stepView(`s${at}`, { needs: at === 0 ? [] : [...new Set(needs.map((need) => `s${need % at}`))], status }),
        );
        const nodes = folded(steps, NOTHING);
        const names = nodes.flatMap((node) => node.steps.map(({ step }) => step));
        assert.deepEqual(names.toSorted(), steps.map(({ step }) => step).toSorted());
        const layers = new Map(layersOf(nodes).vertices.map(({ id, layer }) => [id, layer]));
        for (const { id, needs } of nodes) {
          for (const need of needs) assert.ok((layers.get(need) ?? 0) < (layers.get(id) ?? 0), `${need} > ${id}`);
        }
        for (const node of nodes) assert.equal(groupName(node) !== undefined, node.steps.length > 1);
      }),
    );
  });
});

test('the lineage of a step is what it needs and what needs it, however far, and nothing beside', () => {
  const lineage = lineageOf(wide(), 'clean_5');
  assert.equal(lineage.get('clean_5'), 'self');
  assert.deepEqual(
    ['plan', 'extract_5', 'join', 'fit_3', 'extract_4', 'clean_4'].map((name) => lineage.get(name)),
    ['up', 'up', 'down', 'down', undefined, undefined],
  );
});
