import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { crossingsOf, type LayerNode, layersOf } from './layers.ts';
import { placed, placedIn } from './place.ts';

/** Graphs whose nodes need some of those before them. */
const graphs = fc
  .array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 40 })
  .map((wishes): LayerNode[] =>
    wishes.map((needs, at) => ({ id: `n${at}`, needs: at === 0 ? [] : needs.map((need) => `n${need % at}`) })),
  );

const sized = (nodes: readonly LayerNode[]) => nodes.map((node) => ({ ...node, width: 120, height: 32 }));

describe('the layers of a graph', () => {
  test('every node is once in a layer, after all that it needs', () => {
    fc.assert(
      fc.property(graphs, (nodes) => {
        const { vertices, layers } = layersOf(nodes);
        const layerOf = new Map(vertices.filter(({ isNode }) => isNode).map(({ id, layer }) => [id, layer]));
        assert.equal(layerOf.size, nodes.length);
        assert.deepEqual(
          layers.flat().toSorted((a, b) => a - b),
          vertices.map((_, index) => index),
        );
        for (const { id, needs } of nodes) {
          for (const need of needs) assert.ok((layerOf.get(need) ?? 0) < (layerOf.get(id) ?? 0));
        }
      }),
    );
  });

  test('the order that is chosen has no more crossings than the one of the declaration', () => {
    fc.assert(
      fc.property(graphs, (nodes) => {
        const { vertices, layers } = layersOf(nodes);
        const declared = layers.map((layer) => layer.toSorted((a, b) => a - b));
        assert.ok(crossingsOf(vertices, layers) <= crossingsOf(vertices, declared));
      }),
    );
  });

  test('chains that are declared in a mixed order are drawn without a crossing', () => {
    const chains = Array.from({ length: 12 }, (_, chain) => chain);
    const nodes = [
      { id: 'plan', needs: [] },
      ...chains.map((chain) => ({ id: `extract${chain}`, needs: ['plan'] })),
      ...chains.map((chain) => ({ id: `clean${11 - chain}`, needs: [`extract${11 - chain}`] })),
      ...chains.map((chain) => ({ id: `check${(chain * 5) % 12}`, needs: [`clean${(chain * 5) % 12}`] })),
      { id: 'join', needs: chains.map((chain) => `check${chain}`) },
    ];
    const { vertices, layers } = layersOf(nodes);
    assert.equal(layers.length, 5);
    assert.equal(crossingsOf(vertices, layers), 0);
  });

  test('a step that nothing comes before stands beside what needs it', () => {
    const nodes = [
      { id: 'a', needs: [] },
      { id: 'b', needs: ['a'] },
      { id: 'c', needs: ['b', 'late'] },
      { id: 'late', needs: [] },
    ];
    const { vertices } = layersOf(nodes);
    assert.equal(vertices.find(({ id }) => id === 'late')?.layer, 1);
  });
});

describe('the places of a graph', () => {
  test('no two nodes overlap, and every edge has a path, in both directions', () => {
    fc.assert(
      fc.property(graphs, fc.constantFrom('right', 'down'), (nodes, direction) => {
        const found = placedIn(sized(nodes), layersOf(nodes), direction);
        const corners = [...found.corners.values()];
        for (const [at, a] of corners.entries()) {
          assert.ok(a.x >= -1e-6 && a.y >= -1e-6 && a.x + 120 <= found.width + 1e-6 && a.y + 32 <= found.height + 1e-6);
          for (const b of corners.slice(at + 1)) {
            assert.ok(Math.abs(a.x - b.x) > 119.9 || Math.abs(a.y - b.y) > 31.9, 'two nodes overlap');
          }
        }
        const edges = new Set(nodes.flatMap(({ id, needs }) => needs.map((need) => `${need}>${id}`)));
        assert.deepEqual(new Set(found.paths.keys()), edges);
      }),
    );
  });

  test('a chain is drawn downwards in a box that is higher than wide, and to the right in a flat one', () => {
    const chain = sized(
      Array.from({ length: 12 }, (_, at) => ({ id: `n${at}`, needs: at === 0 ? [] : [`n${at - 1}`] })),
    );
    assert.equal(placed(chain, { width: 300, height: 900 }).direction, 'down');
    assert.equal(placed(chain, { width: 2_000, height: 100 }).direction, 'right');
  });
});
