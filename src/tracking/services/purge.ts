import type { Context, Database } from '#platform/db';
import { removeEverythingOf, totalOf } from '../artifacts/index.ts';
import { removeRunDeletedBefore, runsDeletedBefore } from '../store/purge.ts';

/** What went, or in a dry run would go. The bytes are those of the files; content that others have too stays stored. */
export interface Purged {
  readonly runs: number;
  readonly files: number;
  readonly bytes: number;
}

export interface PurgeOptions {
  readonly db: Database;
  readonly context: Context;
  /** Runs that were deleted before this time go, in epoch milliseconds. */
  readonly before: number;
  /** Only tells what would go. */
  readonly dryRun: boolean;
}

/**
 * Removes runs for ever that were deleted long enough ago, with their params, tags, metrics and files, each in a
 * transaction of its own. One that is restored meanwhile stays. The audit log keeps what was done to them, and that
 * they went. A registered version has its own hold on its files, which a run does not take along.
 */
export async function purgeRuns({ db, context, before, dryRun }: PurgeOptions): Promise<Purged> {
  const purged = { runs: 0, files: 0, bytes: 0 };
  const add = ({ files, bytes }: Omit<Purged, 'runs'>): void => {
    purged.runs += 1;
    purged.files += files;
    purged.bytes += bytes;
  };
  for (const run of await runsDeletedBefore(db.reader, before)) {
    const owner = { kind: 'run', id: run } as const;
    if (dryRun) {
      add(await totalOf(db.reader, owner));
      continue;
    }
    const total = await db.react(context, async (tx) => {
      if (!(await removeRunDeletedBefore(tx.db, run, before))) return undefined;
      const held = await totalOf(tx.db, owner);
      await removeEverythingOf(tx.db, owner);
      tx.audit(`tracking-run/${run}`, { purged: true, ...held });
      return held;
    });
    if (total) add(total);
  }
  return purged;
}
