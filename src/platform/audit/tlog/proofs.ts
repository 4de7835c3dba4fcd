import { completeRoot, foldPeaks, HASH_BYTES, splitOf } from './merkle.ts';
import { TILE_WIDTH, type TileId, tileOf } from './tile.ts';

/** Reads the hashes of a tile of the tree that the proofs are about. Throws when there is none. */
export type TileReader = (tile: TileId) => Promise<Uint8Array>;

const CACHED_TILES_MAX = 64;

/** Computes proofs and roots of a tree of `size` leaves from its tiles. */
export class Prover {
  readonly #size: number;
  readonly #read: TileReader;
  readonly #tiles = new Map<string, Uint8Array>();

  constructor(size: number, read: TileReader) {
    this.#size = size;
    this.#read = read;
  }

  /** The audit path of a leaf, from its sibling up (RFC 6962, section 2.1.1). `index` is below the size. */
  async inclusion(index: number): Promise<Uint8Array[]> {
    const path: Uint8Array[] = [];
    let [start, end] = [0, this.#size];
    while (end - start > 1) {
      const middle = start + splitOf(end - start);
      const isLeft = index < middle;
      path.push(isLeft ? await this.#range(middle, end) : await this.#range(start, middle));
      [start, end] = isLeft ? [start, middle] : [middle, end];
    }
    return path.reverse();
  }

  /** The proof that the tree only adds to that of its first `former` leaves (RFC 6962, section 2.1.2). */
  async consistency(former: number): Promise<Uint8Array[]> {
    if (former === 0 || former === this.#size) return [];
    const path: Uint8Array[] = [];
    let [start, end] = [0, this.#size];
    // While every step went left the verifier knows the root of the former tree, and needs no hash for it.
    let known = true;
    while (former < end) {
      const middle = start + splitOf(end - start);
      const isLeft = former <= middle;
      path.push(isLeft ? await this.#range(middle, end) : await this.#range(start, middle));
      if (!isLeft) known = false;
      [start, end] = isLeft ? [start, middle] : [middle, end];
    }
    if (!known) path.push(await this.#range(start, end));
    return path.reverse();
  }

  /** The root over the first `size` leaves. */
  root(size = this.#size): Promise<Uint8Array> {
    return this.#range(0, size);
  }

  /** The hash over the leaves from `start` to before `end`; RFC 6962 begins a subtree of this length at `start`. */
  async #range(start: number, end: number): Promise<Uint8Array> {
    const peaks: Uint8Array[] = [];
    while (start < end) {
      const rest = end - start;
      const length = rest === 1 ? 1 : splitOf(rest) * 2 === rest ? rest : splitOf(rest);
      peaks.push(await this.#complete(start, length));
      start += length;
    }
    return foldPeaks(peaks);
  }

  /** The root of a complete subtree of `length` leaves, a power of two that divides `start`. */
  async #complete(start: number, length: number): Promise<Uint8Array> {
    let [level, unit] = [0, 1];
    while (unit * TILE_WIDTH <= length) [level, unit] = [level + 1, unit * TILE_WIDTH];
    const first = start / unit;
    const tile = tileOf(level, first, this.#size);
    return completeRoot(await this.#tile(tile), first % TILE_WIDTH, length / unit);
  }

  async #tile(tile: TileId): Promise<Uint8Array> {
    const key = `${tile.level}/${tile.index}`;
    const known = this.#tiles.get(key);
    if (known) return known;
    const hashes = await this.#read(tile);
    if (hashes.length !== tile.width * HASH_BYTES) throw new RangeError(`tile ${key} has ${hashes.length} bytes`);
    if (this.#tiles.size >= CACHED_TILES_MAX) this.#tiles.clear();
    this.#tiles.set(key, hashes);
    return hashes;
  }
}
