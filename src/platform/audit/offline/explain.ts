import type { LogSource } from '../log-source.ts';
import { decodeBundle } from '../tlog/bundle.ts';
import type { Checkpoint } from '../tlog/checkpoint.ts';
import { type GrownTile, TreeEdge } from '../tlog/edge.ts';
import { HASH_BYTES, hashAt, leafHash, sameHash } from '../tlog/merkle.ts';
import { bundleOf, frontierOf, TILE_WIDTH, type TileId, tilePath } from '../tlog/tile.ts';
import { ChainWalk } from './chain-walk.ts';
import { Found } from './finding.ts';

/** Finds out, once something does not match, what was done and to which entry. */

interface WrongEntry {
  readonly seq: number;
  readonly place: string;
  /** What stands where the entry should; nothing when its bundle ends before. */
  readonly leaf: Uint8Array | undefined;
  /** Bytes of the bundle after the last entry whose length fits. */
  readonly rest: number;
  /** The proved hashes of the bundle's entries. */
  readonly hashes: Uint8Array;
  /** Stands before the entry. */
  readonly chain: ChainWalk;
}

/** What happened to an entry whose proved hash is not that of what stands in its place. */
export async function explainEntry(source: LogSource, wrong: WrongEntry): Promise<Found> {
  const { seq, place, leaf, rest, hashes, chain } = wrong;
  const say = (reason: string): Found => new Found({ seq, place, reason });
  if (!leaf && rest === 0) return say(`entry ${seq} was removed: its bundle ends before it`);
  if (!leaf) return say(`entry ${seq} was altered or cut off: its length leads beyond its bundle`);
  const other = claimedNumber(leaf);
  if (other !== undefined && other !== seq && (await isEntry(source, { seq: other, leaf }, hashes))) {
    const standsThere = await leafAt(source, other);
    const expected = hashAt(hashes, (seq - 1) % TILE_WIDTH);
    if (standsThere && sameHash(leafHash(standsThere), expected))
      return say(`entries ${seq} and ${other} were exchanged`);
    if (other < seq) return say(`entry ${other} was put in again where entry ${seq} belongs`);
    return say(
      other === seq + 1
        ? `entry ${seq} was removed: entry ${other} stands in its place`
        : `entry ${other} was moved to where entry ${seq} belongs`,
    );
  }
  const altered = await whyAltered(source, leaf, chain);
  return say(`entry ${seq} was altered: ${altered}. It now reads ${summaryOf(leaf)}`);
}

async function whyAltered(source: LogSource, leaf: Uint8Array, chain: ChainWalk): Promise<string> {
  try {
    await new ChainWalk(source, chain).step(leaf);
    return 'its hash was made to fit the hash chain, but it is not what the signed tree has';
  } catch (error) {
    if (error instanceof Found) return error.finding.reason;
    throw error;
  }
}

interface WrongTile {
  readonly tile: TileId & { readonly level: number };
  /** The proved hash over the tile. */
  readonly expected: Uint8Array;
  readonly stored: Uint8Array | undefined;
  /** Stands before the first entry under the tile. */
  readonly chain: ChainWalk;
}

/** What happened to a full tile that does not have the proved hash above it. */
export async function explainTile(source: LogSource, wrong: WrongTile): Promise<Found> {
  const { tile, expected, stored, chain } = wrong;
  const place = tilePath(tile);
  const entriesEach = TILE_WIDTH ** tile.level;
  const first = tile.index * TILE_WIDTH * entriesEach + 1;
  const last = first + TILE_WIDTH * entriesEach - 1;
  const rebuilt = await rebuild(source, { first, last }, chain);
  const own = rebuilt.tiles.find(({ level, index }) => level === tile.level && index === 0);
  if (own && sameHash(rebuilt.edge.root(), expected)) return wrongHash({ place, stored, own, first, entriesEach });
  return wrongBelow(place, { first, last }, rebuilt);
}

/** What happened to a log whose partial tiles do not lead to the signed root. */
export async function explainEdge(source: LogSource, checkpoint: Checkpoint, chain: ChainWalk): Promise<Found> {
  const { size, root } = checkpoint;
  const rebuilt = await rebuild(source, { first: 1, last: size }, chain);
  if (rebuilt.edge.size !== size || !sameHash(rebuilt.edge.root(), root)) {
    return wrongBelow('checkpoint', { first: 1, last: size }, rebuilt);
  }
  for (const [at, hashes] of rebuilt.edge.partials().entries()) {
    const tile = frontierOf(size)[at]!;
    if (tile.width === 0) continue;
    const place = tilePath(tile);
    const stored = await source.read(place);
    if (stored && sameHash(stored, hashes)) continue;
    const entriesEach = TILE_WIDTH ** at;
    const first = tile.index * TILE_WIDTH * entriesEach + 1;
    return wrongHash({ place, stored, own: { level: at, index: tile.index, hashes }, first, entriesEach });
  }
  return new Found({ place: 'checkpoint', reason: 'the partial tiles changed while they were read' });
}

interface Rebuilt {
  readonly edge: TreeEdge;
  readonly tiles: readonly GrownTile[];
  /** The first entry that is missing or breaks the chain, or else the first that is not what its tile says. */
  readonly suspect: Found | undefined;
}

/** Builds the tiles over a run of entries from the entries themselves, which begin where a tile does. */
async function rebuild(
  source: LogSource,
  { first, last }: { readonly first: number; readonly last: number },
  before: ChainWalk,
): Promise<Rebuilt> {
  const edge = new TreeEdge();
  const tiles: GrownTile[] = [];
  const chain = new ChainWalk(source, before);
  let broken: Found | undefined;
  let differs: Found | undefined;
  for (let index = (first - 1) / TILE_WIDTH; index * TILE_WIDTH < last; index++) {
    const bundle = bundleOf(index, last);
    const place = tilePath(bundle);
    const { entries } = decodeBundle((await source.read(place)) ?? new Uint8Array());
    const stored = await source.read(tilePath({ ...bundle, level: 0 }));
    for (let at = 0; at < bundle.width; at++) {
      const seq = index * TILE_WIDTH + at + 1;
      const hash = leafHash(entries[at] ?? new Uint8Array());
      broken ??= await breakAt(chain, { seq, place, leaf: entries[at] });
      if (!stored || !sameHash(hashAt(stored, at), hash)) {
        differs ??= new Found({ seq, place, reason: `entry ${seq} is not what its tile says` });
      }
      edge.append(hash);
    }
    // Tiles of the lowest level are as many as the bundles; only those above are few enough to keep.
    tiles.push(...edge.takeGrown().filter((tile) => tile.level > 0 || last - first < TILE_WIDTH));
  }
  return { edge, tiles, suspect: broken ?? differs };
}

interface NextLeaf {
  readonly seq: number;
  readonly place: string;
  readonly leaf: Uint8Array | undefined;
}

async function breakAt(chain: ChainWalk, { seq, place, leaf }: NextLeaf): Promise<Found | undefined> {
  if (!leaf) return new Found({ seq, place, reason: `entry ${seq} is missing` });
  try {
    await chain.step(leaf);
    return undefined;
  } catch (error) {
    if (error instanceof Found) return error;
    throw error;
  }
}

function wrongBelow(place: string, { first, last }: { first: number; last: number }, { suspect }: Rebuilt): Found {
  if (suspect) {
    const { reason, ...where } = suspect.finding;
    return new Found({ ...where, reason: `${reason}; ${place} does not match either` });
  }
  const reason =
    `the entries ${first} to ${last} fit each other but are not those that were signed: ` +
    'they were rewritten together with their tiles and hashes';
  return new Found({ ...(first === 1 ? {} : { seq: first }), place, reason });
}

interface WrongHash {
  readonly place: string;
  readonly stored: Uint8Array | undefined;
  /** The tile as it should be. */
  readonly own: GrownTile;
  readonly first: number;
  readonly entriesEach: number;
}

function wrongHash({ place, stored, own, first, entriesEach }: WrongHash): Found {
  if (!stored) return new Found({ seq: first, place, reason: `${place} is missing; the entries under it are whole` });
  const width = own.hashes.length / HASH_BYTES;
  let at = 0;
  while (at < width && sameHash(hashAt(stored, at), hashAt(own.hashes, at))) at += 1;
  const seq = first + Math.min(at, width - 1) * entriesEach;
  const entries = entriesEach === 1 ? `entry ${seq}` : `entries ${seq} to ${seq + entriesEach - 1}`;
  const what = at < width ? `its hash of ${entries} was altered` : 'it is longer than it was';
  return new Found({ seq, place, reason: `${what} in ${place}; the entries under it are whole` });
}

/** The number that an entry claims, in whatever state it is. */
function claimedNumber(leaf: Uint8Array): number | undefined {
  const seq = (parsed(leaf) as { readonly seq?: unknown } | null)?.seq;
  return Number.isSafeInteger(seq) && (seq as number) > 0 ? (seq as number) : undefined;
}

/** Whether a leaf is entry number `seq` as the tiles have it. */
async function isEntry(
  source: LogSource,
  { seq, leaf }: { seq: number; leaf: Uint8Array },
  near: Uint8Array,
): Promise<boolean> {
  for (let at = 0; at * HASH_BYTES < near.length; at++) {
    if (sameHash(hashAt(near, at), leafHash(leaf))) return (seq - 1) % TILE_WIDTH === at;
  }
  const tile = await anyWidth(source, { level: 0, index: Math.floor((seq - 1) / TILE_WIDTH) });
  return tile !== undefined && sameHash(hashAt(tile, (seq - 1) % TILE_WIDTH), leafHash(leaf));
}

async function leafAt(source: LogSource, seq: number): Promise<Uint8Array | undefined> {
  const bundle = await anyWidth(source, { level: 'entries', index: Math.floor((seq - 1) / TILE_WIDTH) });
  return bundle && decodeBundle(bundle).entries[(seq - 1) % TILE_WIDTH];
}

/** A tile as wide as it is there: who asks does not know how far the log reaches. */
async function anyWidth(source: LogSource, tile: Omit<TileId, 'width'>): Promise<Uint8Array | undefined> {
  for (let width = TILE_WIDTH; width > 0; width--) {
    const bytes = await source.read(tilePath({ ...tile, width }));
    if (bytes) return bytes;
  }
  return undefined;
}

function summaryOf(leaf: Uint8Array): string {
  const value = parsed(leaf) as Readonly<Record<string, unknown>> | null;
  if (value === null || typeof value !== 'object') return JSON.stringify(Buffer.from(leaf).toString().slice(0, 200));
  return ['seq', 'time', 'actor', 'action', 'subject']
    .map((field) => `${field} ${JSON.stringify(value[field])}`)
    .join(', ');
}

function parsed(leaf: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(leaf).toString());
  } catch {
    return null;
  }
}
