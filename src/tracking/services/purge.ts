import type { Context, Database } from '#platform/db';
import { type ArtifactOwner, removeEverythingOf, subjectOf, totalOf, tracesWithFiles } from '../artifacts/index.ts';
import * as store from '../store/purge.ts';
import type { Db } from '../store/tables.ts';

/** What went, or in a dry run would go. The bytes are those of the files; content that others have too stays stored. */
export interface Purged {
  readonly runs: number;
  readonly loggedModels: number;
  readonly experiments: number;
  readonly files: number;
  readonly bytes: number;
}

export interface PurgeOptions {
  readonly db: Database;
  readonly context: Context;
  /** What was deleted before this time goes, in epoch milliseconds. */
  readonly before: number;
  /** Only tells what would go. */
  readonly dryRun: boolean;
}

type Kind = 'runs' | 'loggedModels' | 'experiments';

interface Purge {
  readonly kind: Kind;
  readonly owner: Exclude<ArtifactOwner['kind'], 'trace'>;
  find(db: Db, before: number): Promise<string[]>;
  /** Tells whether it went: it may have been restored meanwhile. */
  remove(db: Db, id: string, before: number): Promise<boolean>;
}

/** In this order: an experiment goes once nothing is left in it. */
const PURGES: readonly Purge[] = [
  { kind: 'runs', owner: 'run', find: store.runsDeletedBefore, remove: store.removeRunDeletedBefore },
  { kind: 'loggedModels', owner: 'model', find: store.modelsDeletedBefore, remove: store.removeModelDeletedBefore },
  {
    kind: 'experiments',
    owner: 'experiment',
    find: store.experimentsDeletedBefore,
    remove: store.removeExperimentDeletedBefore,
  },
];

/**
 * Removes for ever what was deleted long enough ago: runs, logged models (also those of a deleted experiment), and
 * experiments with nothing left in them; each with all it has and its files, in a transaction of its own. What is
 * restored meanwhile stays. The audit log keeps what was done to it, and that it went. A registered version has its own
 * hold on its files, which neither a run nor a logged model takes along.
 */
export async function purgeDeleted({ db, context, before, dryRun }: PurgeOptions): Promise<Purged> {
  const purged = { runs: 0, loggedModels: 0, experiments: 0, files: 0, bytes: 0 };
  const add = (kind: Kind, { files, bytes }: Pick<Purged, 'files' | 'bytes'>): void => {
    purged[kind] += 1;
    purged.files += files;
    purged.bytes += bytes;
  };
  for (const { kind, owner: ownerKind, find, remove } of PURGES) {
    for (const id of await find(db.reader, before)) {
      const owner = { kind: ownerKind, id };
      if (dryRun) {
        add(kind, await totalWithTraces(db.reader, owner));
        continue;
      }
      const project = await store.projectOwning(db.reader, owner);
      const total = await db.react({ ...context, project }, async (tx) => {
        if (!(await remove(tx.db, id, before))) return undefined;
        const held = await totalWithTraces(tx.db, owner);
        for (const one of await withTraces(tx.db, owner)) await removeEverythingOf(tx.db, one);
        tx.audit(subjectOf(owner), { purged: true, ...held });
        return held;
      });
      if (total) add(kind, total);
    }
  }
  return purged;
}

/** Files of traces are found through their experiment alone, and go with it. */
async function withTraces(db: Db, owner: ArtifactOwner): Promise<ArtifactOwner[]> {
  return owner.kind === 'experiment' ? [owner, ...(await tracesWithFiles(db, owner.id))] : [owner];
}

async function totalWithTraces(db: Db, owner: ArtifactOwner): Promise<{ files: number; bytes: number }> {
  const total = { files: 0, bytes: 0 };
  for (const one of await withTraces(db, owner)) {
    const { files, bytes } = await totalOf(db, one);
    total.files += files;
    total.bytes += bytes;
  }
  return total;
}
