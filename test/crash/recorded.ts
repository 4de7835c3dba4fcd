import { join } from 'node:path';
import { sql } from 'kysely';
import { openFsBlobStore } from '#adapters/blob/fs';
import { openPostgres } from '#adapters/sql/postgres';
import { openSqlite } from '#adapters/sql/sqlite';
import type { Broken } from '../../sim/check/broken.ts';
import { checkChange } from '../../sim/check/check-change.ts';
import { checkEnd } from '../../sim/check/check-end.ts';
import { checkState } from '../../sim/check/check-state.ts';
import { checkTold } from '../../sim/check/check-told.ts';
import { HISTORY_QUERIES, type History } from '../../sim/check/history.ts';

/** Reads what an installation has recorded, beside its processes, and judges it as the simulation does. */
export interface Recorded {
  /** Judges the present state, by itself and against the one before. */
  look(): Promise<Broken | undefined>;
  /** Judges the whole history when everything has ended. */
  judge(): Promise<Broken | undefined>;
  history(): Promise<History>;
  close(): Promise<void>;
}

export async function openRecorded(dir: string, database: string): Promise<Recorded> {
  const store = database ? await openPostgres(database, { connectionsMax: 2 }) : openSqlite(join(dir, 'kedge.sqlite'));
  const blobs = await openFsBlobStore({ root: join(dir, 'blobs') });
  let last: History | undefined;
  /** All parts as of one moment: a snapshot, where reads one after the other would see different states. */
  const history = (): Promise<History> =>
    store.transaction(async (trx) => {
      const parts = [];
      for (const [part, query] of Object.entries(HISTORY_QUERIES)) {
        parts.push([part, (await sql.raw(query).execute(trx)).rows]);
      }
      return Object.fromEntries(parts);
    });
  return {
    history,
    async look() {
      const now = await history();
      const broken = checkState(now) ?? checkChange(last ?? { runs: [], steps: [], attempts: [] }, now);
      last = now;
      return broken;
    },
    async judge() {
      const stored = new Map<string, number>();
      for await (const { digest, bytes } of blobs.list()) stored.set(digest, bytes);
      const now = await history();
      const contentOf = (digest: string) => {
        const bytes = stored.get(digest);
        return bytes === undefined ? undefined : { bytes };
      };
      return checkState(now) ?? checkTold(now) ?? checkEnd(now, contentOf);
    },
    close: () => store.close(),
  };
}
