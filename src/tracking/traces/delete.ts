import type { Context, Database } from '#platform/db';
import { removeEverythingOf } from '../artifacts/index.ts';
import { removeTrace, selectTraces } from './store/traces.ts';

/** So many go in one transaction, so that nobody else waits long. */
const BATCH = 500;

export interface Deletion {
  readonly experiment: string;
  /** Only those that began at this time or before it, in epoch milliseconds. */
  readonly before?: number | undefined;
  readonly ids?: readonly string[] | undefined;
  readonly max: number;
}

/**
 * Removes what traces say, with their files, and tells how many. That they were there stays known: by the audit log,
 * which names them, and by their ids, which are not taken again.
 */
export async function removeTraces(db: Database, context: Context, deletion: Deletion): Promise<number> {
  const { experiment, before, ids } = deletion;
  let removed = 0;
  for (;;) {
    const limit = Math.min(BATCH, deletion.max - removed);
    if (limit <= 0) return removed;
    const batch = await db.react(context, async (tx) => {
      const found = await selectTraces(tx.db, experiment, { before, ids, limit });
      for (const { key, id } of found) {
        await removeTrace(tx.db, key, tx.now);
        await removeEverythingOf(tx.db, { kind: 'trace', id: `${experiment}/${id}` });
      }
      if (found.length > 0) tx.audit(`experiment/${experiment}`, { deletedTraces: found.map(({ id }) => id) });
      return found.length;
    });
    removed += batch;
    if (batch < limit) return removed;
  }
}
