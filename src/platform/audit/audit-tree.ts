import { canonicalJson } from '#core/json';
import { type AuditEntry, chainHash, type Database, GENESIS_HASH } from '#platform/db';
import { AuditLog } from './audit-log.ts';
import { auditErrors } from './errors.ts';
import { leafOf, leafParts } from './leaf.ts';
import { CHECKPOINT_PATH, KEY_PATH, type LogSource, readFrontier } from './log-source.ts';
import { ProjectLog } from './project-log.ts';
import { encodeBundle } from './tlog/bundle.ts';
import { openCheckpoint, signCheckpoint } from './tlog/checkpoint.ts';
import { TreeEdge } from './tlog/edge.ts';
import { HASH_BYTES, leafHash } from './tlog/merkle.ts';
import type { NoteSigner } from './tlog/note.ts';
import { parseTilePath, TILE_WIDTH, type TileId } from './tlog/tile.ts';
import * as store from './tree-store.ts';

/** The log of this installation, which has every entry. */
const MAIN = 'main';

// Small enough that hashing a page does not hold up requests for more than some milliseconds.
const PAGE = 512;

/**
 * The audit log as a Merkle log of c2sp.org/tlog-tiles. It grows behind the table of entries, never in the transaction
 * that writes an entry, and in the order of their numbers, which is that of their commits.
 *
 * Invariants:
 * 1. Tiles, size and signed checkpoint move together in one transaction, from the size that they were computed from.
 *    So the log may be grown by several processes, and killed anywhere.
 * 2. Only entries that continue the hash chain are appended; nothing is signed over others.
 * 3. A hash that lies in a tile is never changed.
 */
export class AuditTree implements LogSource {
  readonly #db: Database;
  readonly #signer: NoteSigner;
  readonly #log: string;
  readonly #project: string | undefined;
  readonly #entries: Pick<AuditLog, 'page'>;
  #edge: { readonly tree: TreeEdge; head: string } | undefined;
  #growing: Promise<void> = Promise.resolve();
  #waiting: Promise<void> | undefined;

  /** The log of the installation, or of one project, which is signed under a name of its own. */
  constructor(db: Database, signer: NoteSigner, project?: string) {
    this.#db = db;
    this.#project = project;
    this.#log = project === undefined ? MAIN : `project/${project}`;
    this.#signer = project === undefined ? signer : signer.below(this.#log);
    this.#entries = project === undefined ? new AuditLog(db.reader) : new ProjectLog(db.reader, project);
  }

  /**
   * Appends every entry committed before the call and signs the new size. Calls that come while one waits share it.
   * Errors: `audit/broken-chain`.
   */
  grow(): Promise<void> {
    this.#waiting ??= this.#growing
      .catch(() => {})
      .then(() => {
        this.#waiting = undefined;
        this.#growing = this.#catchUp();
        return this.#growing;
      });
    return this.#waiting;
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    if (path === KEY_PATH) return Buffer.from(this.#signer.verifier.text);
    const tree = await store.findTree(this.#db.reader, this.#log);
    if (!tree) return undefined;
    if (path === CHECKPOINT_PATH) return Buffer.from(tree.checkpoint);
    const [, detailOf] = /^detail\/([1-9]\d{0,14})$/.exec(path) ?? [];
    if (detailOf !== undefined) return this.#detail(Number(detailOf));
    const tile = parseTilePath(path);
    return tile && this.#resource(tile, tree.size);
  }

  async #resource({ level, index, width }: TileId, size: number): Promise<Uint8Array | undefined> {
    if (level !== 'entries') {
      const hashes = await store.findTile(this.#db.reader, this.#log, { level, index });
      return hashes && hashes.length >= width * HASH_BYTES ? hashes.subarray(0, width * HASH_BYTES) : undefined;
    }
    const before = index * TILE_WIDTH;
    if (before + width > size) return undefined;
    const entries = await this.#entries.page(before, width);
    return encodeBundle(entries.filter(({ seq }) => seq <= before + width).map(leafOf));
  }

  /** The detail of an entry that is too long to have it in its leaf. */
  async #detail(seq: number): Promise<Uint8Array | undefined> {
    const [entry] = await this.#entries.page(seq - 1, 1);
    if (entry?.seq !== seq || leafParts(leafOf(entry))?.detailDigest === undefined) return undefined;
    return Buffer.from(canonicalJson(entry.detail));
  }

  async #catchUp(): Promise<void> {
    try {
      while (await this.#append()) {
        // Each round appends a page, until there is nothing more.
      }
    } catch (error) {
      this.#edge = undefined;
      throw error;
    }
  }

  /** Appends a page of entries. Answers whether there may be more. */
  async #append(): Promise<boolean> {
    this.#edge ??= await this.#open();
    const { tree, head } = this.#edge;
    const former = tree.size;
    const entries = await this.#entries.page(former, PAGE);
    if (entries.length === 0) return false;
    this.#edge.head = chained(entries, { seq: former, hash: head });
    for (const entry of entries) tree.append(leafHash(leafOf(entry)));
    const next = { size: tree.size, head: this.#edge.head, checkpoint: this.#sign(tree) };
    const moved = await this.#db.maintain(async (tx) => {
      if (!(await store.advanceTree(tx.db, this.#log, { former, tree: next }))) return false;
      await store.putTiles(tx.db, this.#log, tree.takeGrown());
      if (this.#project === undefined) await store.putParts(tx.db, entries);
      return true;
    });
    // Another process was faster: what it wrote is read back before the next page.
    if (!moved) this.#edge = undefined;
    return !moved || entries.length === PAGE;
  }

  /** Finds the right edge as it was stored, or starts the log. A checkpoint of a former key is signed anew. */
  async #open(): Promise<{ readonly tree: TreeEdge; head: string }> {
    const empty = { size: 0, head: GENESIS_HASH, checkpoint: this.#sign(new TreeEdge()) };
    if (!(await store.findTree(this.#db.reader, this.#log))) {
      await this.#db.maintain((tx) => store.insertTree(tx.db, this.#log, empty));
    }
    const found = (await store.findTree(this.#db.reader, this.#log)) ?? empty;
    const tree = new TreeEdge(found.size, await readFrontier(this, found.size));
    if (!this.#isOurs(found.checkpoint)) {
      const signed = { ...found, checkpoint: this.#sign(tree) };
      await this.#db.maintain((tx) => store.advanceTree(tx.db, this.#log, { former: found.size, tree: signed }));
    }
    return { tree, head: found.head };
  }

  #sign(tree: TreeEdge): string {
    return signCheckpoint(tree.size, tree.root(), this.#signer);
  }

  #isOurs(checkpoint: string): boolean {
    try {
      openCheckpoint(checkpoint, this.#signer.verifier);
      return true;
    } catch {
      return false;
    }
  }
}

/** The hash of the last of these entries, if all of them continue the chain. Errors: `audit/broken-chain`. */
function chained(entries: readonly AuditEntry[], before: { readonly seq: number; readonly hash: string }): string {
  let { seq, hash: previous } = before;
  for (const { hash, ...content } of entries) {
    seq += 1;
    if (content.seq !== seq) throw auditErrors['broken-chain'](`entry ${seq} is missing: found ${content.seq}`);
    if (chainHash(previous, content) !== hash) {
      throw auditErrors['broken-chain'](`entry ${seq} does not continue the chain: nothing is signed over it`);
    }
    previous = hash;
  }
  return previous;
}
