import { completeRoot, HASH_BYTES } from './merkle.ts';
import { levelCount, rootOfFrontier, TILE_WIDTH } from './tile.ts';

export interface GrownTile {
  readonly level: number;
  readonly index: number;
  /** One hash to 256. */
  readonly hashes: Uint8Array;
}

interface Level {
  readonly hashes: Buffer;
  width: number;
  changed: boolean;
}

/** The right edge of a tree, which is all that is needed to append to it: the partial tile of each level. */
export class TreeEdge {
  readonly #levels: Level[] = [];
  #full: GrownTile[] = [];
  #size: number;

  /** `partials` are the partial tiles of the tree of `size` leaves, from level 0 up. */
  constructor(size = 0, partials: readonly Uint8Array[] = []) {
    this.#size = size;
    for (const hashes of partials) {
      const level = newLevel();
      level.hashes.set(hashes);
      level.width = hashes.length / HASH_BYTES;
      this.#levels.push(level);
    }
  }

  get size(): number {
    return this.#size;
  }

  append(leafHash: Uint8Array): void {
    this.#size += 1;
    this.#push(0, leafHash);
  }

  root(): Uint8Array {
    return rootOfFrontier(this.partials());
  }

  /** The partial tile of each level, from 0 up; empty where the last tile is full. */
  partials(): Uint8Array[] {
    return this.#levels.map(({ hashes, width }) => hashes.subarray(0, width * HASH_BYTES));
  }

  /** The tiles that grew since the last call, those that were filled and those that are partial. */
  takeGrown(): GrownTile[] {
    const grown = this.#full;
    this.#full = [];
    for (const [level, { hashes, width, changed }] of this.#levels.entries()) {
      if (!changed || width === 0) continue;
      const index = Math.floor(levelCount(level, this.#size) / TILE_WIDTH);
      grown.push({ level, index, hashes: Buffer.from(hashes.subarray(0, width * HASH_BYTES)) });
    }
    for (const level of this.#levels) level.changed = false;
    return grown;
  }

  #push(at: number, hash: Uint8Array): void {
    let level = this.#levels[at];
    if (!level) {
      level = newLevel();
      this.#levels.push(level);
    }
    level.hashes.set(hash, level.width * HASH_BYTES);
    level.width += 1;
    level.changed = true;
    if (level.width < TILE_WIDTH) return;
    const index = levelCount(at, this.#size) / TILE_WIDTH - 1;
    this.#full.push({ level: at, index, hashes: Buffer.from(level.hashes) });
    level.width = 0;
    this.#push(at + 1, completeRoot(level.hashes));
  }
}

function newLevel(): Level {
  return { hashes: Buffer.alloc(TILE_WIDTH * HASH_BYTES), width: 0, changed: false };
}
