import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { type GrownTile, TreeEdge } from './edge.ts';
import { EMPTY_ROOT, foldPeaks, leafHash, nodeHash, splitOf, verifyConsistency, verifyInclusion } from './merkle.ts';
import { Prover } from './proofs.ts';
import { frontierOf, parseTilePath, type TileId, tilePath } from './tile.ts';

interface Golden {
  readonly roots: Readonly<Record<string, string>>;
  readonly inclusion: readonly { readonly size: number; readonly index: number; readonly path: readonly string[] }[];
  readonly consistency: readonly {
    readonly later: number;
    readonly former: number;
    readonly path: readonly string[];
  }[];
  readonly tiles: readonly string[];
  readonly paths: Readonly<Record<string, string>>;
}

const golden: Golden = JSON.parse(readFileSync(new URL('golden/sumdb.json', import.meta.url), 'utf8'));
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** A tree of the given leaves, with its tiles as the log would store them. */
function grown(leaves: readonly Uint8Array[]): { readonly edge: TreeEdge; readonly tiles: Map<string, GrownTile> } {
  const edge = new TreeEdge();
  const tiles = new Map<string, GrownTile>();
  for (const leaf of leaves) edge.append(leafHash(leaf));
  for (const tile of edge.takeGrown()) tiles.set(`${tile.level}/${tile.index}`, tile);
  return { edge, tiles };
}

function proverOf(leaves: readonly Uint8Array[]): Prover {
  const { tiles } = grown(leaves);
  return new Prover(leaves.length, async ({ level, index, width }: TileId) => {
    const hashes = tiles.get(`${level}/${index}`)?.hashes;
    assert.equal(hashes?.length, width * 32);
    return hashes;
  });
}

const records = (size: number): Uint8Array[] => Array.from({ length: size }, (_, i) => Buffer.from(`entry ${i}`));

// The inputs and roots with which Certificate Transparency implementations of RFC 6962 are tested.
const CT_LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const CT_ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

test('roots are those of the published RFC 6962 vectors', () => {
  const leaves = CT_LEAVES.map((hex) => Buffer.from(hex, 'hex'));
  const roots = leaves.map((_, i) => Buffer.from(grown(leaves.slice(0, i + 1)).edge.root()).toString('hex'));
  assert.deepEqual(roots, CT_ROOTS);
  assert.equal(
    Buffer.from(new TreeEdge().root()).toString('hex'),
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  );
});

test("roots and proofs are those of Go's sumdb/tlog", async () => {
  const leaves = records(70_000);
  for (const [size, root] of Object.entries(golden.roots)) {
    assert.equal(base64(grown(leaves.slice(0, Number(size))).edge.root()), root, `size ${size}`);
  }
  for (const { size, index, path } of golden.inclusion) {
    assert.deepEqual((await proverOf(leaves.slice(0, size)).inclusion(index)).map(base64), path, `${index} in ${size}`);
  }
  for (const { later, former, path } of golden.consistency) {
    const proof = await proverOf(leaves.slice(0, later)).consistency(former);
    assert.deepEqual(proof.map(base64), path, `${former} to ${later}`);
  }
});

test("tiles and their paths are those of Go's sumdb/tlog", () => {
  const { tiles } = grown(records(70_000));
  const upper = [...tiles.values()]
    .filter(({ level, index, hashes }) => level > 0 || hashes.length < 8192 || index === 0)
    .map(({ level, index, hashes }) => tilePath({ level, index, width: hashes.length / 32 }));
  assert.deepEqual(upper.sort(), [...golden.tiles].sort());
  for (const [index, path] of Object.entries(golden.paths)) {
    assert.equal(tilePath({ level: 3, index: Number(index), width: 256 }), path);
  }
  assert.deepEqual(
    frontierOf(70_000).map(({ width }) => width),
    [112, 17, 1],
  );
});

test('a path means one tile, and only the path that the tile has', () => {
  const id = fc.record({
    level: fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 63 })),
    index: fc.oneof(fc.nat(), fc.integer({ min: 0, max: 999_999_999_999 })),
    width: fc.integer({ min: 1, max: 256 }),
  });
  fc.assert(fc.property(id, (tile) => assert.deepEqual(parseTilePath(tilePath(tile)), { ...tile })));
  const refused = [
    'tile/00/000',
    'tile/64/000',
    'tile/-1/000',
    'tile/0/00',
    'tile/0/0000',
    'tile/0/x000/001',
    'tile/0/001/002',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/0/000.p/300',
    'tile/0/000/',
    'tile/0/../000',
    'tile/0/x999/x999/x999/x999/x999/999',
    'tile/entries/000.p/',
    'tile/8/0/000',
    'checkpoint',
    '',
  ];
  for (const path of refused) assert.equal(parseTilePath(path), undefined, path);
});

/** The recursive definition of RFC 6962, section 2.1. */
function definedRoot(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return EMPTY_ROOT;
  if (hashes.length === 1) return hashes[0]!;
  const k = splitOf(hashes.length);
  return nodeHash(definedRoot(hashes.slice(0, k)), definedRoot(hashes.slice(k)));
}

const sized = fc.integer({ min: 1, max: 1_200 });

test('a tree grown in parts has the root of its definition', () => {
  fc.assert(
    fc.property(sized, fc.nat(), (size, cut) => {
      const hashes = records(size).map(leafHash);
      const part = new TreeEdge();
      for (const hash of hashes.slice(0, cut % size)) part.append(hash);
      const rest = new TreeEdge(
        part.size,
        part.partials().map((hashes) => Buffer.from(hashes)),
      );
      for (const hash of hashes.slice(cut % size)) rest.append(hash);
      assert.equal(base64(rest.root()), base64(definedRoot(hashes)));
    }),
    { numRuns: 40 },
  );
});

test('every inclusion proof verifies for its entry, and for no other entry, place, size or root', async () => {
  await fc.assert(
    fc.asyncProperty(sized, fc.nat(), fc.nat(), async (size, at, other) => {
      const leaves = records(size);
      const prover = proverOf(leaves);
      const tree = { size, root: await prover.root() };
      const leaf = { index: at % size, hash: leafHash(leaves[at % size]!) };
      const proof = await prover.inclusion(leaf.index);
      assert.equal(verifyInclusion(leaf, tree, proof), true);
      assert.equal(verifyInclusion({ ...leaf, hash: leafHash(Buffer.from('x')) }, tree, proof), false);
      assert.equal(verifyInclusion(leaf, { ...tree, root: leafHash(Buffer.from('x')) }, proof), false);
      assert.equal(verifyInclusion(leaf, tree, [...proof, EMPTY_ROOT]), false);
      assert.equal(verifyInclusion({ ...leaf, index: size }, tree, proof), false);
      if (other % size !== leaf.index) {
        assert.equal(verifyInclusion({ ...leaf, index: other % size }, tree, proof), false);
      }
      if (size > 1) assert.equal(verifyInclusion(leaf, tree, proof.slice(1)), false);
    }),
    { numRuns: 60 },
  );
});

test('every consistency proof verifies, and none does for a tree that was rewritten', async () => {
  await fc.assert(
    fc.asyncProperty(sized, fc.nat(), fc.nat(), async (size, cut, changed) => {
      const leaves = records(size);
      const former = (cut % size) + 1;
      const prover = proverOf(leaves);
      const proof = await prover.consistency(former);
      const later = { size, root: await prover.root() };
      const before = leaves.slice(0, former);
      const whole = { size: former, root: grown(before).edge.root() };
      assert.equal(base64(await prover.root(former)), base64(whole.root));
      assert.equal(verifyConsistency(whole, later, proof), true);
      before[changed % former] = Buffer.from('rewritten');
      assert.equal(verifyConsistency({ size: former, root: grown(before).edge.root() }, later, proof), false);
      assert.equal(
        verifyConsistency(whole, { ...later, root: foldPeaks([leafHash(leaves[0]!), later.root]) }, proof),
        false,
      );
      assert.equal(verifyConsistency(whole, later, [...proof, EMPTY_ROOT]), false);
    }),
    { numRuns: 60 },
  );
});
