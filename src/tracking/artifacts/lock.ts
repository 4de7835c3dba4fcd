import type { AccessContext } from '#platform/access';
import { trackingErrors } from '../errors.ts';
import { type Asker, accessOf } from '../services/require.ts';
import type { Db } from '../store/tables.ts';
import type { ArtifactPlace } from './owner.ts';

/** Port: who relies on files to stay as they are. The registry does, on those that versions were registered from. */
export interface ArtifactLock {
  /**
   * What the file or folder is part of, in words that the asker may read; `undefined` when nothing relies on it. `db`
   * may be a transaction, so that the answer holds until it commits.
   */
  holder(db: Db, place: ArtifactPlace, access: AccessContext['access'] | undefined): Promise<string | undefined>;
}

/** Throws `tracking/artifact-locked` for what has to stay as it is. */
export async function refuseLocked(
  db: Db,
  asker: Asker,
  { lock, place }: { readonly lock: ArtifactLock | undefined; readonly place: ArtifactPlace },
): Promise<void> {
  const holder = await lock?.holder(db, place, accessOf(asker));
  if (holder === undefined) return;
  const { owner, path } = place;
  throw trackingErrors['artifact-locked'](
    `'${path}' of ${owner.kind} '${owner.id}' is part of ${holder}, and what is registered cannot be changed. ` +
      'Log another model instead.',
  );
}
