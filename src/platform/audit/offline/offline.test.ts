import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Json } from '#core/json';
import { canonicalJson } from '#core/json';
import { type AuditEntry, chainHash, GENESIS_HASH } from '#platform/db';
import { leafOf } from '../leaf.ts';
import { bundlesOf, CHECKPOINT_PATH, detailPath, KEY_PATH, type LogSource, tilesOf } from '../log-source.ts';
import { decodeBundle, encodeBundle } from '../tlog/bundle.ts';
import { signCheckpoint } from '../tlog/checkpoint.ts';
import { TreeEdge } from '../tlog/edge.ts';
import { leafHash } from '../tlog/merkle.ts';
import { generateNoteKey, noteSigner } from '../tlog/note.ts';
import { parseTilePath, TILE_WIDTH, tilePath } from '../tlog/tile.ts';
import { firstDifference, requireAppended } from './append-only.ts';
import { type LogVerdict, verifySource } from './verify-source.ts';

const signer = noteSigner(generateNoteKey('kedge.example/audit'));

/** A log as a map of its resources, which a test may damage. */
type Files = Map<string, Uint8Array>;

const sourceOf = (files: Files): LogSource => ({ read: async (path) => files.get(path) });
const verify = (files: Files): Promise<LogVerdict> => verifySource(sourceOf(files));

function chainOf(
  size: number,
  detailOf: (seq: number) => Json = (seq) => ({ seq, text: 'ü "é" ,"hash":"' }),
): AuditEntry[] {
  let hash = GENESIS_HASH;
  return Array.from({ length: size }, (_, i) => {
    const content = {
      seq: i + 1,
      time: 1_000_000 + i,
      actor: 'user:ada',
      action: 'note.write',
      subject: `note/${i % 9}`,
      detail: detailOf(i + 1),
    };
    hash = chainHash(hash, content);
    return { ...content, hash };
  });
}

function filesOf(leaves: readonly Uint8Array[]): Files {
  const files: Files = new Map();
  const edge = new TreeEdge();
  for (const leaf of leaves) edge.append(leafHash(leaf));
  for (const { level, index, hashes } of edge.takeGrown()) {
    files.set(tilePath({ level, index, width: hashes.length / 32 }), hashes);
  }
  for (const bundle of bundlesOf(leaves.length)) {
    const first = bundle.index * TILE_WIDTH;
    files.set(tilePath(bundle), encodeBundle(leaves.slice(first, first + bundle.width)));
  }
  files.set(CHECKPOINT_PATH, Buffer.from(signCheckpoint(leaves.length, edge.root(), signer)));
  files.set(KEY_PATH, Buffer.from(signer.verifier.text));
  return files;
}

// Two full tiles and a partial one at the lowest level, a partial one above.
const SIZE = 600;
const LEAVES = chainOf(SIZE).map(leafOf);
const WHOLE: ReadonlyMap<string, Uint8Array> = filesOf(LEAVES);
const copy = (): Files => new Map([...WHOLE].map(([path, bytes]) => [path, Buffer.from(bytes)]));
const place = fc.nat(SIZE - 1);

/** Puts other leaves into the bundles and leaves everything else as it was. */
function withLeaves(files: Files, leaves: readonly Uint8Array[]): Files {
  for (const bundle of bundlesOf(SIZE)) {
    const first = bundle.index * TILE_WIDTH;
    files.set(tilePath(bundle), encodeBundle(leaves.slice(first, first + bundle.width)));
  }
  return files;
}

async function assertFound(files: Files, seq: number | undefined, words?: RegExp): Promise<void> {
  const verdict = await verify(files);
  assert.equal(verdict.ok, false, 'the damage was not found');
  if (verdict.ok) return;
  if (seq !== undefined) assert.equal(verdict.seq, seq, JSON.stringify(verdict));
  if (words) assert.match(verdict.reason, words);
  if (verdict.seq !== undefined) assert.ok(verdict.entries < verdict.seq, JSON.stringify(verdict));
}

test('a log that nobody touched is whole, at every size around the edges of its tiles', async () => {
  for (const size of [0, 1, 2, 255, 256, 257, 511, 512, 513, SIZE]) {
    const verdict = await verify(filesOf(LEAVES.slice(0, size)));
    assert.deepEqual([verdict.ok, verdict.entries], [true, size], `size ${size}: ${JSON.stringify(verdict)}`);
  }
});

/** The number of the entry in whose bytes an offset of a bundle lies, its length included. */
function entryAt(path: string, offset: number): number {
  const tile = parseTilePath(path);
  assert.ok(tile);
  let [end, seq] = [0, tile.index * TILE_WIDTH];
  for (const leaf of decodeBundle(WHOLE.get(path) ?? new Uint8Array()).entries) {
    end += 2 + leaf.length;
    seq += 1;
    if (offset < end) return seq;
  }
  throw new Error('beyond the bundle');
}

test('a changed byte is found wherever it lies, and the entry that it concerns is named', async () => {
  const paths = [...WHOLE.keys()];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), fc.nat(), fc.integer({ min: 1, max: 255 }), async (path, at, flip) => {
      const files = copy();
      const bytes = files.get(path)!;
      const offset = at % bytes.length;
      bytes[offset]! ^= flip;
      const tile = parseTilePath(path);
      if (!tile) {
        const verdict = await verify(files);
        assert.equal(!verdict.ok && verdict.place, path === KEY_PATH ? KEY_PATH : CHECKPOINT_PATH);
      } else if (tile.level === 'entries') {
        await assertFound(files, entryAt(path, offset));
      } else {
        const each = TILE_WIDTH ** tile.level;
        const hash = tile.index * TILE_WIDTH + Math.floor(offset / 32);
        await assertFound(files, hash * each + 1, /the entries under it are whole/);
      }
    }),
    { numRuns: 600 },
  );
});

test('a removed entry is named', async () => {
  await fc.assert(
    fc.asyncProperty(place, fc.boolean(), async (at, movesTheRest) => {
      const files = copy();
      if (movesTheRest) {
        withLeaves(files, LEAVES.toSpliced(at, 1));
      } else {
        const path = tilePath([...bundlesOf(SIZE)][Math.floor(at / TILE_WIDTH)]!);
        files.set(path, encodeBundle(decodeBundle(WHOLE.get(path)!).entries.toSpliced(at % TILE_WIDTH, 1)));
      }
      await assertFound(files, at + 1, new RegExp(`entry ${at + 1} was removed`));
    }),
    { numRuns: 60 },
  );
});

test('two exchanged entries are named', async () => {
  await fc.assert(
    fc.asyncProperty(place, place, async (a, b) => {
      fc.pre(a !== b);
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      const leaves = LEAVES.with(a, LEAVES[b]!).with(b, LEAVES[a]!);
      const words = new RegExp(`entries ${low + 1} and ${high + 1} were exchanged`);
      await assertFound(withLeaves(copy(), leaves), low + 1, words);
    }),
    { numRuns: 60 },
  );
});

test('an entry moved elsewhere, told twice or put in is named where it stands', async () => {
  await fc.assert(
    fc.asyncProperty(place, place, async (from, to) => {
      fc.pre(Math.abs(from - to) > 1);
      const moved = LEAVES.toSpliced(from, 1).toSpliced(to, 0, LEAVES[from]!);
      await assertFound(withLeaves(copy(), moved), Math.min(from, to) + 1, /moved|removed/);
      if (from < to) {
        await assertFound(withLeaves(copy(), LEAVES.toSpliced(to, 0, LEAVES[from]!)), to + 1, /put in again/);
      }
      await assertFound(withLeaves(copy(), LEAVES.toSpliced(to, 0, Buffer.from('{}'))), to + 1, /altered/);
    }),
    { numRuns: 40 },
  );
});

test('two exchanged files are found', async () => {
  const tiles = [...WHOLE.keys()].filter((path) => parseTilePath(path));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...tiles), fc.constantFrom(...tiles), async (a, b) => {
      fc.pre(a !== b);
      const files = copy();
      files.set(a, WHOLE.get(b)!).set(b, WHOLE.get(a)!);
      await assertFound(files, undefined);
    }),
  );
});

test('a missing file is found, and named', async () => {
  for (const path of WHOLE.keys()) {
    const files = copy();
    files.delete(path);
    const verdict = await verify(files);
    assert.equal(!verdict.ok && verdict.place, path, JSON.stringify(verdict));
  }
});

test('an entry altered together with its tile is named all the same', async () => {
  await fc.assert(
    fc.asyncProperty(place, async (at) => {
      const files = copy();
      const leaf = Buffer.from(Buffer.from(LEAVES[at]!).toString().replace('user:ada', 'user:eve'));
      withLeaves(files, LEAVES.with(at, leaf));
      const tile = [...tilesOf(SIZE)].find(({ level, index }) => level === 0 && index === Math.floor(at / TILE_WIDTH))!;
      (files.get(tilePath(tile)) as Buffer).set(leafHash(leaf), (at % TILE_WIDTH) * 32);
      await assertFound(files, at + 1, /does not continue the hash chain/);
    }),
    { numRuns: 40 },
  );
});

test('a history rewritten with tiles and hashes of its own does not have the signed root', async () => {
  const forged = filesOf(chainOf(SIZE, (seq) => (seq === 300 ? 'forged' : seq)).map(leafOf));
  forged.set(CHECKPOINT_PATH, WHOLE.get(CHECKPOINT_PATH)!);
  await assertFound(forged, undefined, /rewritten together with their tiles/);
  const cut = filesOf(LEAVES.slice(0, 590));
  cut.set(CHECKPOINT_PATH, WHOLE.get(CHECKPOINT_PATH)!);
  await assertFound(cut, 513, /is missing/);
});

test('another key is not taken for that of the log', async () => {
  const other = noteSigner(generateNoteKey('kedge.example/audit'));
  const verdict = await verifySource(sourceOf(copy()), { verifier: other.verifier });
  assert.equal(!verdict.ok && verdict.place, KEY_PATH);
});

test('a detail too long for its entry lies beside it and is verified with it', async () => {
  const long = 'x'.repeat(70_000);
  const entries = chainOf(5, (seq) => (seq === 3 ? { long } : seq));
  const files = filesOf(entries.map(leafOf));
  assert.equal((await verify(files)).ok, false, 'the detail is not there yet');
  files.set(detailPath(3), Buffer.from(canonicalJson({ long })));
  assert.deepEqual(await verify(files).then((verdict) => verdict.ok && verdict.details), 1);
  files.set(detailPath(3), Buffer.from(canonicalJson({ long: `${long}x` })));
  await assertFound(files, 3, /the detail of entry 3 was altered/);
});

test('a log that only grew is proved to have; one that was rewritten or cut is not', async () => {
  const forged = filesOf(
    chainOf(SIZE, (seq) => (seq === 300 ? 'forged' : { seq, text: 'ü "é" ,"hash":"' })).map(leafOf),
  );
  const checkpointOf = async (files: Files) => {
    const verdict = await verify(files);
    assert.ok(verdict.ok);
    return verdict.checkpoint;
  };
  const later = await checkpointOf(copy());
  for (const size of [0, 1, 255, 256, 300, 512, 599, 600]) {
    const former = await checkpointOf(filesOf(LEAVES.slice(0, size)));
    await requireAppended(sourceOf(copy()), later, former);
    const rewritten = requireAppended(sourceOf(forged), await checkpointOf(forged), former);
    if (size < 300) await rewritten;
    else await assert.rejects(rewritten, { code: 'audit/proof', message: /was rewritten/ });
  }
  const cut = filesOf(LEAVES.slice(0, 400));
  await assert.rejects(requireAppended(sourceOf(cut), await checkpointOf(cut), later), /were cut off/);
  const logs = [copy(), forged, cut].map((files, i) => ({ source: sourceOf(files), size: i === 2 ? 400 : SIZE }));
  assert.equal(await firstDifference(logs[0]!, logs[1]!), 300);
  assert.equal(await firstDifference(logs[0]!, logs[2]!), undefined);
});
