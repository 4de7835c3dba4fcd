import { digestOf } from '#core/hash';
import { GENESIS_HASH } from '#platform/db';
import { leafParts } from '../leaf.ts';
import { detailPath, type LogSource } from '../log-source.ts';
import { bundleOf, TILE_WIDTH, tilePath } from '../tlog/tile.ts';
import { Found } from './finding.ts';

/** Follows the hash chain through the entries of a log, in order. */
export class ChainWalk {
  readonly #source: LogSource;
  /** The number of the last entry that continued the chain. */
  seq = 0;
  /** Its hash. */
  head = GENESIS_HASH;
  /** How many entries have their detail beside the log. */
  details = 0;

  constructor(source: LogSource, from?: ChainWalk) {
    this.#source = source;
    if (!from) return;
    this.seq = from.seq;
    this.head = from.head;
  }

  /** Takes the next entry. Throws {@link Found} when it does not continue the chain, and stays where it is. */
  async step(leaf: Uint8Array): Promise<void> {
    const seq = this.seq + 1;
    const place = placeOf(seq);
    const parts = leafParts(leaf);
    if (!parts) throw new Found({ seq, place, reason: `entry ${seq} is not an entry of the audit log` });
    if (!parts.claims(seq)) throw new Found({ seq, place, reason: `what stands at entry ${seq} has another number` });
    const detail = parts.detailDigest === undefined ? undefined : await this.#detail(seq, parts.detailDigest);
    if (digestOf(parts.chained(this.head, detail)) !== parts.hash) {
      throw new Found({ seq, place, reason: `entry ${seq} does not continue the hash chain` });
    }
    this.seq = seq;
    this.head = parts.hash;
  }

  async #detail(seq: number, digest: string): Promise<Uint8Array> {
    const place = detailPath(seq);
    const detail = await this.#source.read(place);
    if (!detail) throw new Found({ seq, place, reason: `the detail of entry ${seq} is missing` });
    if (digestOf(detail) !== digest) throw new Found({ seq, place, reason: `the detail of entry ${seq} was altered` });
    this.details += 1;
    return detail;
  }
}

/** The bundle in which an entry lies, by the name that it has when it is full. */
export function placeOf(seq: number): string {
  return tilePath(bundleOf(Math.floor((seq - 1) / TILE_WIDTH), Number.MAX_SAFE_INTEGER));
}
