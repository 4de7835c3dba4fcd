import { auditErrors } from './errors.ts';
import { bundleOf, frontierOf, levelCount, TILE_WIDTH, type TileId, tileOf, tilePath } from './tlog/tile.ts';

/**
 * A log as a tree of resources, wherever it lies: in a database, behind HTTP, in a directory. The paths are those of
 * c2sp.org/tlog-tiles, and beside them `log.vkey` and `detail/<entry number>`.
 */
export interface LogSource {
  /** The bytes of a resource; `undefined` when the log has none of that path. */
  read(path: string): Promise<Uint8Array | undefined>;
}

export const CHECKPOINT_PATH = 'checkpoint';
/** The verifier key of the log, which whoever wants to be sure has from elsewhere. */
export const KEY_PATH = 'log.vkey';

/** The detail of an entry that is too long to lie in the log itself. */
export function detailPath(seq: number): string {
  return `detail/${seq}`;
}

/** The tiles of a log of `size` entries, from level 0 up, and at each level from left to right. */
export function* tilesOf(size: number): Iterable<TileId> {
  for (let level = 0; levelCount(level, size) > 0; level++) {
    const count = levelCount(level, size);
    for (let at = 0; at < count; at += TILE_WIDTH) yield tileOf(level, at, size);
  }
}

/** The bundles of entries of a log of `size` entries, in order. */
export function* bundlesOf(size: number): Iterable<TileId> {
  for (let index = 0; index * TILE_WIDTH < size; index++) yield bundleOf(index, size);
}

/** The hashes of the partial tiles of a log of `size` entries, from level 0 up. Errors: `audit/not-found`. */
export function readFrontier(source: LogSource, size: number): Promise<Uint8Array[]> {
  return Promise.all(frontierOf(size).map((tile) => (tile.width === 0 ? new Uint8Array() : readTile(source, tile))));
}

/** Errors: `audit/not-found`. */
export function readTile(source: LogSource, tile: TileId): Promise<Uint8Array> {
  return readResource(source, tilePath(tile));
}

/** Errors: `audit/not-found`. */
export async function readResource(source: LogSource, path: string): Promise<Uint8Array> {
  const bytes = await source.read(path);
  if (!bytes) throw auditErrors['not-found'](`the log has no ${path.slice(0, 200)}`);
  return bytes;
}
