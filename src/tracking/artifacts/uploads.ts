import { randomBytes } from 'node:crypto';
import { type Digest, digestOf } from '#core/hash';
import type { System } from '#core/system';
import type { Context } from '#platform/db';
import type { Job } from '#platform/domain';
import type { BlobStore } from '#ports/blob-store';
import type { Artifact } from '../contract.ts';
import { trackingErrors } from '../errors.ts';
import { type ArtifactPlace, subjectOf } from './owner.ts';
import { type ArtifactDeps, type ArtifactService, refer } from './service.ts';
import * as store from './store/uploads.ts';

export const UPLOAD_PARTS_MAX = 10_000;
/** An upload that was not completed by then is forgotten. */
const UPLOAD_KEPT_MS = 7 * 86_400_000;
const EXPIRED_AT_ONCE = 500;

export interface UploadDeps extends ArtifactDeps {
  readonly system: System;
  readonly artifacts: ArtifactService;
}

/** An upload that was begun. Whoever holds `key` may send its parts. */
export interface BegunUpload {
  readonly id: string;
  readonly key: string;
  readonly parts: number;
}

/** Files that are sent in parts, in any order and several at a time. Nothing can be read before all are there. */
export class UploadService {
  readonly #deps: UploadDeps;

  constructor(deps: UploadDeps) {
    this.#deps = deps;
  }

  /** Errors: as of {@link ArtifactService.put}, and `tracking/invalid` for a number of parts that cannot be. */
  async begin(context: Context, place: ArtifactPlace, parts: number): Promise<BegunUpload> {
    const { db, system, artifacts } = this.#deps;
    if (!Number.isInteger(parts) || parts < 1 || parts > UPLOAD_PARTS_MAX) {
      throw trackingErrors.invalid(`num_parts: expected a whole number from 1 to ${UPLOAD_PARTS_MAX}`);
    }
    await artifacts.requirePlace(place, context);
    const id = system.ids.next('upl');
    const key = randomBytes(24).toString('base64url');
    await db.transact(context, async (tx) => {
      const { owner, path } = place;
      await store.insertUpload(tx.db, { id, owner, path, parts, keyDigest: digestOf(key), createdAt: tx.now });
      tx.audit(subjectOf(owner), { path, upload: id, parts });
    });
    return { id, key, parts };
  }

  /** Whether `key` lets its holder send parts of an upload that is still open. */
  async admits(id: string, key: string): Promise<boolean> {
    const upload = await store.findUpload(this.#deps.db.reader, id);
    return upload !== undefined && upload.completedAt === null && upload.keyDigest === digestOf(key);
  }

  /** The parts that have arrived, by number: whoever was cut off sends the others. */
  async arrived(id: string): Promise<{ readonly parts: number; readonly arrived: readonly store.UploadPart[] }> {
    const upload = await this.#open(id);
    return { parts: upload.parts, arrived: await store.partsOf(this.#deps.db.reader, id) };
  }

  /** Takes one part, and answers its digest. Sent again, it replaces the one before. */
  async putPart(id: string, part: number, content: AsyncIterable<Uint8Array>): Promise<Digest> {
    const { db, blobs } = this.#deps;
    const upload = await this.#open(id);
    if (!Number.isInteger(part) || part < 1 || part > upload.parts) {
      throw trackingErrors.invalid(`part_number: expected a whole number from 1 to ${upload.parts}`);
    }
    const stored = await blobs.put(content);
    await db.maintain(async (tx) => {
      if (!(await store.findUpload(tx.db, id))) throw gone(id);
      await store.putPart(tx.db, id, { part, ...stored });
    });
    return stored.digest;
  }

  /**
   * Puts the parts together. Done again after it was done, it answers the same and changes nothing.
   * Errors: `tracking/invalid` when a part is missing or is not the one that the sender named.
   */
  async complete(
    context: Context,
    at: { readonly id: string; readonly place: ArtifactPlace },
    named: readonly { readonly part: number; readonly digest: string }[],
  ): Promise<Artifact> {
    const { db, blobs, artifacts, lock } = this.#deps;
    const { id, place } = at;
    const upload = await store.findUpload(db.reader, id);
    if (!upload || !isAt(upload, place)) throw gone(id);
    if (upload.completedAt !== null) return artifacts.find(place, context);
    await artifacts.requirePlace(place, context);
    const parts = await store.partsOf(db.reader, id);
    requireAll(upload, parts, named);
    const stored = await blobs.put(joined(blobs, parts));
    return db.react(context, async (tx) => {
      const artifact = await refer(tx, context, { place, content: stored, lock });
      await store.completeUpload(tx.db, id, tx.now);
      return artifact;
    });
  }

  /** Forgets an upload. Done again, it changes nothing. */
  async abort(context: Context, id: string, place: ArtifactPlace): Promise<void> {
    await this.#deps.artifacts.requirePlace(place, context);
    await this.#deps.db.react(context, async (tx) => {
      const upload = await store.findUpload(tx.db, id);
      if (!upload || !isAt(upload, place) || upload.completedAt !== null) return;
      await store.removeUploads(tx.db, [id]);
      tx.audit(subjectOf(upload.owner), { path: upload.path, upload: id, aborted: true });
    });
  }

  /** Forgets uploads that nobody completed in a week. */
  expiry(): Job {
    const { db, system } = this.#deps;
    return {
      name: 'tracking.expire-uploads',
      everyMs: 3_600_000,
      async run() {
        const before = system.clock.now() - UPLOAD_KEPT_MS;
        await db.maintain(async (tx) =>
          store.removeUploads(tx.db, await store.uploadsBefore(tx.db, before, EXPIRED_AT_ONCE)),
        );
      },
    };
  }

  async #open(id: string): Promise<store.Upload> {
    const upload = await store.findUpload(this.#deps.db.reader, id);
    if (!upload || upload.completedAt !== null) throw gone(id);
    return upload;
  }
}

function gone(id: string): Error {
  return trackingErrors['upload-not-found'](`there is no open upload '${id.slice(0, 100)}'`);
}

function isAt(upload: store.Upload, { owner, path }: ArtifactPlace): boolean {
  return upload.owner.kind === owner.kind && upload.owner.id === owner.id && upload.path === path;
}

function requireAll(
  upload: store.Upload,
  parts: readonly store.UploadPart[],
  named: readonly { readonly part: number; readonly digest: string }[],
): void {
  const expected = new Map(named.map(({ part, digest }) => [part, digest]));
  for (let part = 1; part <= upload.parts; part++) {
    const sent = parts[part - 1];
    if (sent?.part !== part) throw trackingErrors.invalid(`parts: part ${part} of ${upload.parts} was not sent`);
    if (expected.get(part) !== sent.digest) throw trackingErrors.invalid(`parts: part ${part} has another etag`);
  }
}

async function* joined(blobs: BlobStore, parts: readonly store.UploadPart[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield* await blobs.get(part.digest);
}
