import type { Context, Database, Tx } from '#platform/db';
import type { BlobStore } from '#ports/blob-store';
import { type Artifact, artifactPathSchema } from '../contract.ts';
import { checked, trackingErrors } from '../errors.ts';
import { RUN_ARTIFACTS_MAX } from '../model.ts';
import type { Asker } from '../services/require.ts';
import { type ArtifactLock, refuseLocked } from './lock.ts';
import { type ArtifactPlace, subjectOf } from './owner.ts';
import { requireOwner, requireWritableOwner } from './owners.ts';
import * as store from './store/files.ts';

export interface ArtifactDeps {
  readonly db: Database;
  readonly blobs: BlobStore;
  /** Without one, every file of what may be written to can be replaced. */
  readonly lock?: ArtifactLock | undefined;
}

/** A file, or a folder with something in it, right below a folder. */
export interface ArtifactEntry {
  readonly name: string;
  readonly file: Artifact | undefined;
}

/**
 * The files of runs, logged models, traces and experiments: paths that refer to content in the blob store.
 *
 * 1. A path refers to content that is stored whole: content is put first, the path is written after it.
 * 2. No path is both a file and a folder.
 * 3. What somebody relies on to stay as it is stays, by whichever way a change comes: see {@link ArtifactLock}.
 * 4. Content is never changed or removed here. What no path refers to any more is garbage of the blob store.
 */
export class ArtifactService {
  readonly #deps: ArtifactDeps;

  constructor(deps: ArtifactDeps) {
    this.#deps = deps;
  }

  /**
   * Stores a file. The same path again replaces it; the content before stays in the store.
   * Errors: `tracking/invalid` for a path that leaves its owner, `tracking/artifact-conflict` when a file stands where
   * the path needs a folder (or the reverse), `tracking/limit`, the owner's own, and those of the blob store.
   */
  async put(
    context: Context,
    place: ArtifactPlace,
    content: Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<Artifact> {
    const { db, blobs, lock } = this.#deps;
    // Refused before the bytes are taken; decided inside the transaction, because the owner may be deleted meanwhile.
    await this.requirePlace(place, context);
    const stored = await blobs.put(content);
    return db.react(context, (tx) => refer(tx, context, { place, content: stored, lock }));
  }

  /** Throws what {@link put} would refuse before it takes any bytes. */
  async requirePlace(place: ArtifactPlace, asker: Asker): Promise<void> {
    checked(artifactPathSchema, place.path, 'path');
    const { db, lock } = this.#deps;
    await requireWritableOwner(db.reader, asker, place);
    await refuseLocked(db.reader, asker, { lock, place });
  }

  /** By path; all that the place's owner has, or what lies below the folder that the place is. */
  async list(place: ArtifactPlace, asker?: Asker): Promise<Artifact[]> {
    const { reader } = this.#deps.db;
    await requireOwner(reader, asker, place, 'READ');
    return store.listFiles(reader, place.owner, place.path === '' ? undefined : place.path);
  }

  /** What lies right in a folder, by name. Nothing for a path that is a file, or that is not there. */
  async entries(place: ArtifactPlace, asker?: Asker): Promise<ArtifactEntry[]> {
    const skipped = place.path === '' ? 0 : place.path.length + 1;
    const entries = new Map<string, ArtifactEntry>();
    for (const file of await this.list(place, asker)) {
      const [name = '', ...rest] = file.path.slice(skipped).split('/');
      entries.set(name, { name, file: rest.length === 0 ? file : undefined });
    }
    return [...entries.values()];
  }

  async find(place: ArtifactPlace, asker?: Asker): Promise<Artifact> {
    const { reader } = this.#deps.db;
    await requireOwner(reader, asker, place, 'READ');
    const { owner, path } = place;
    const artifact = await store.findFile(reader, owner, path);
    if (!artifact) throw trackingErrors['artifact-not-found'](`${owner.kind} '${owner.id}' has no artifact '${path}'`);
    return artifact;
  }

  /** Removes a file, a folder or, with an empty path, all that the owner has. Tells how many files went. */
  async remove(context: Context, place: ArtifactPlace): Promise<number> {
    const { owner, path } = place;
    const { db, lock } = this.#deps;
    return db.react(context, async (tx) => {
      await requireWritableOwner(tx.db, context, place);
      await refuseLocked(tx.db, context, { lock, place });
      const removed = await store.removeFiles(tx.db, owner, path);
      if (removed > 0) tx.audit(subjectOf(owner), { removed: path, files: removed });
      return removed;
    });
  }
}

/** Makes a path refer to stored content. One that refers to it already is left as it is: a retry is no change. */
export async function refer(
  tx: Tx,
  context: Context,
  what: {
    readonly place: ArtifactPlace;
    readonly content: Pick<Artifact, 'digest' | 'bytes'>;
    readonly lock: ArtifactLock | undefined;
  },
): Promise<Artifact> {
  const { owner, path } = what.place;
  await requireWritableOwner(tx.db, context, what.place);
  await refuseLocked(tx.db, context, what);
  const known = await store.findFile(tx.db, owner, path);
  if (known?.digest === what.content.digest) return known;
  const conflict = await store.conflictingPath(tx.db, owner, path);
  if (conflict !== undefined) {
    throw trackingErrors['artifact-conflict'](`'${path}' and '${conflict}' cannot both be files of one ${owner.kind}`);
  }
  const { digest, bytes } = what.content;
  const artifact = { path, digest, bytes, createdAt: tx.now };
  await store.putFile(tx.db, owner, artifact);
  if ((await store.countFiles(tx.db, owner)) > RUN_ARTIFACTS_MAX) {
    throw trackingErrors.limit(`${owner.kind} '${owner.id}' has ${RUN_ARTIFACTS_MAX} artifacts, which is the limit`);
  }
  tx.audit(subjectOf(owner), { path, digest, bytes });
  return artifact;
}
