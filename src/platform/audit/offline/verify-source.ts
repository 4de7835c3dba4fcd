import { messageOf } from '#core/errors';
import { CHECKPOINT_PATH, KEY_PATH, type LogSource } from '../log-source.ts';
import { decodeBundle } from '../tlog/bundle.ts';
import { type Checkpoint, openCheckpoint } from '../tlog/checkpoint.ts';
import { completeRoot, EMPTY_ROOT, HASH_BYTES, hashAt, leafHash, sameHash } from '../tlog/merkle.ts';
import { type NoteVerifier, noteVerifier } from '../tlog/note.ts';
import { bundleOf, frontierOf, rootOfFrontier, TILE_WIDTH, type TileId, tilePath } from '../tlog/tile.ts';
import { ChainWalk } from './chain-walk.ts';
import { explainEdge, explainEntry, explainTile } from './explain.ts';
import { type Finding, Found } from './finding.ts';

export interface VerifyOptions {
  /** The key that the log has to be signed with, known from elsewhere. Without it, the key that lies in the log. */
  readonly verifier?: NoteVerifier | undefined;
}

export type LogVerdict = WholeLog | BrokenLog;

export interface WholeLog {
  readonly ok: true;
  readonly entries: number;
  /** The hash of the last entry in the chain. */
  readonly head: string;
  readonly checkpoint: Checkpoint;
  readonly verifier: NoteVerifier;
  /** How many entries have their detail beside the log. */
  readonly details: number;
}

export interface BrokenLog extends Finding {
  readonly ok: false;
  /** How many entries before it are whole. */
  readonly entries: number;
}

/**
 * Verifies a whole log from its signed checkpoint down: signature, root, every tile against the hash above it, every
 * entry against its hash in a tile that is proved by then, and the hash chain through the entries. Since tiles are
 * proved before the entries under them are looked at, the first wrong entry is known exactly, whatever else was changed
 * to fit it. Reads one bundle and one tile a level at a time.
 */
export async function verifySource(source: LogSource, options: VerifyOptions = {}): Promise<LogVerdict> {
  const chain = new ChainWalk(source);
  try {
    const verifier = await keyOf(source, options.verifier);
    const checkpoint = await checkpointOf(source, verifier);
    await new TreeWalk(source, checkpoint, chain).run();
    return { ok: true, entries: chain.seq, head: chain.head, checkpoint, verifier, details: chain.details };
  } catch (error) {
    if (error instanceof Found) return { ok: false, entries: chain.seq, ...error.finding };
    throw error;
  }
}

async function keyOf(source: LogSource, known: NoteVerifier | undefined): Promise<NoteVerifier> {
  const bytes = await source.read(KEY_PATH);
  const text = bytes && Buffer.from(bytes).toString();
  if (known) {
    if (text === undefined || text === known.text) return known;
    throw new Found({ place: KEY_PATH, reason: `the key that lies in the log is not ${known.name}+${known.keyId}` });
  }
  if (text === undefined) throw new Found({ place: KEY_PATH, reason: 'the key of the log is missing: give it' });
  try {
    return noteVerifier(text);
  } catch (error) {
    throw new Found({ place: KEY_PATH, reason: messageOf(error) });
  }
}

async function checkpointOf(source: LogSource, verifier: NoteVerifier): Promise<Checkpoint> {
  const bytes = await source.read(CHECKPOINT_PATH);
  if (!bytes) throw new Found({ place: CHECKPOINT_PATH, reason: 'the checkpoint is missing' });
  try {
    return openCheckpoint(Buffer.from(bytes).toString(), verifier);
  } catch (error) {
    throw new Found({ place: CHECKPOINT_PATH, reason: messageOf(error) });
  }
}

/** Walks a tree from its root to its entries, left to right. */
class TreeWalk {
  readonly #source: LogSource;
  readonly #checkpoint: Checkpoint;
  readonly #chain: ChainWalk;

  constructor(source: LogSource, checkpoint: Checkpoint, chain: ChainWalk) {
    this.#source = source;
    this.#checkpoint = checkpoint;
    this.#chain = chain;
  }

  async run(): Promise<void> {
    const { size, root } = this.#checkpoint;
    const tiles = frontierOf(size);
    const partials = await Promise.all(tiles.map((tile) => this.#tile(tile)));
    const isWhole = partials.every((hashes, level) => hashes?.length === (tiles[level]?.width ?? 0) * HASH_BYTES);
    const computed = size === 0 ? EMPTY_ROOT : isWhole && rootOfFrontier(partials.map((hashes) => hashes!));
    if (!computed || !sameHash(computed, root)) throw await explainEdge(this.#source, this.#checkpoint, this.#chain);
    for (const { level, index } of tiles.toReversed())
      await this.#below(level as number, index, partials[level as number]!);
  }

  async #tile(tile: TileId): Promise<Uint8Array | undefined> {
    return tile.width === 0 ? new Uint8Array() : this.#source.read(tilePath(tile));
  }

  /** Verifies what lies under the hashes of a tile, which are proved. */
  async #below(level: number, index: number, hashes: Uint8Array): Promise<void> {
    if (level === 0) return this.#entries(index, hashes);
    for (let at = 0; at * HASH_BYTES < hashes.length; at++) {
      const tile = { level: level - 1, index: index * TILE_WIDTH + at, width: TILE_WIDTH };
      const below = await this.#tile(tile);
      const expected = hashAt(hashes, at);
      const isWhole = below?.length === TILE_WIDTH * HASH_BYTES && sameHash(completeRoot(below), expected);
      if (!isWhole) throw await explainTile(this.#source, { tile, expected, stored: below, chain: this.#chain });
      await this.#below(tile.level, tile.index, below);
    }
  }

  async #entries(index: number, hashes: Uint8Array): Promise<void> {
    const width = hashes.length / HASH_BYTES;
    if (width === 0) return;
    const place = tilePath(bundleOf(index, this.#checkpoint.size));
    const bundle = await this.#source.read(place);
    const first = index * TILE_WIDTH + 1;
    if (!bundle) {
      throw new Found({ seq: first, place, reason: `entries ${first} to ${first + width - 1} are missing` });
    }
    const { entries, rest } = decodeBundle(bundle);
    for (let at = 0; at < width; at++) {
      const leaf = entries[at];
      if (!leaf || !sameHash(leafHash(leaf), hashAt(hashes, at))) {
        throw await explainEntry(this.#source, { seq: first + at, place, leaf, rest, hashes, chain: this.#chain });
      }
      await this.#chain.step(leaf);
    }
    if (entries.length > width || rest > 0) {
      const seq = first + width;
      const what = entries.length > width ? `${entries.length - width} entries` : `${rest} bytes`;
      throw new Found({ seq, place, reason: `${what} were added after entry ${seq - 1}` });
    }
  }
}
