import { completeRoot, foldPeaks, HASH_BYTES } from './merkle.ts';

/** Tiles as c2sp.org/tlog-tiles lays them out: at each level runs of 256 hashes, each over 256 of the level below. */

export const TILE_WIDTH = 256;

export interface TileId {
  /** 0 holds the hashes of leaves; `entries` stands for the entries themselves. */
  readonly level: number | 'entries';
  readonly index: number;
  /** 1 to 256; below 256 the tile is partial and the last of its level. */
  readonly width: number;
}

/** `tile/0/x001/x234/067`, and `….p/112` for a partial tile. */
export function tilePath({ level, index, width }: TileId): string {
  const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, '0');
  const groups = digits.match(/\d{3}/g) ?? [];
  const last = groups.pop();
  const folders = groups.map((group) => `x${group}/`).join('');
  return `tile/${level}/${folders}${last}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

const PATH = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** The tile that a path names; `undefined` for every path that the specification does not produce. */
export function parseTilePath(path: string): TileId | undefined {
  const [, level, numbers = '', partial] = PATH.exec(path) ?? [];
  if (level === undefined) return undefined;
  const index = Number(numbers.replaceAll(/[x/]/g, ''));
  const width = partial === undefined ? TILE_WIDTH : Number(partial);
  const id: TileId = { level: level === 'entries' ? level : Number(level), index, width };
  const levelTooHigh = typeof id.level === 'number' && id.level > 63;
  if (levelTooHigh || !Number.isSafeInteger(index) || width > TILE_WIDTH) return undefined;
  // One tile has one path: no leading groups of zeros, no `.p/256`.
  return tilePath(id) === path ? id : undefined;
}

/** How many hashes a level of the tree of `size` leaves has. Those of an incomplete subtree are not among them. */
export function levelCount(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** The tile that holds hash number `at` of a level, in a tree of `size` leaves. */
export function tileOf(level: number, at: number, size: number): TileId {
  const index = Math.floor(at / TILE_WIDTH);
  return { level, index, width: Math.min(TILE_WIDTH, levelCount(level, size) - index * TILE_WIDTH) };
}

/** The bundle of entries number `index` in a log of `size` entries. */
export function bundleOf(index: number, size: number): TileId {
  return { level: 'entries', index, width: Math.min(TILE_WIDTH, size - index * TILE_WIDTH) };
}

/** The partial tiles at the right edge of a tree, from level 0 up; a level whose last tile is full has width 0. */
export function frontierOf(size: number): TileId[] {
  const tiles: TileId[] = [];
  for (let level = 0; levelCount(level, size) > 0; level++) {
    const count = levelCount(level, size);
    tiles.push({ level, index: Math.floor(count / TILE_WIDTH), width: count % TILE_WIDTH });
  }
  return tiles;
}

/**
 * The root of a tree from the hashes of its partial tiles, from level 0 up. The bits of a tile's width are the complete
 * subtrees in it, so all of them together are the complete subtrees of the tree.
 */
export function rootOfFrontier(partials: readonly Uint8Array[]): Uint8Array {
  const peaks: Uint8Array[] = [];
  for (const hashes of partials.toReversed()) {
    const width = hashes.length / HASH_BYTES;
    let start = 0;
    for (let count = TILE_WIDTH / 2; count >= 1; count /= 2) {
      if ((width & count) === 0) continue;
      peaks.push(completeRoot(hashes, start, count));
      start += count;
    }
  }
  return foldPeaks(peaks);
}
