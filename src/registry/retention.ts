import { KedgeError } from '#core/errors';
import type { Consumer } from '#platform/events';
import { blobErrors } from '#ports/blob-store';
import { versionRegistered } from './events.ts';
import type { RegistryDeps } from './service.ts';
import { findVersion } from './store/versions.ts';

/**
 * Has the blob store lock the files of each version that is registered, where it locks at all. Versions from before it
 * was told to are locked as well, as this begins with the first of all events; save those of models that were renamed.
 */
export function retentionConsumers({ db, blobs }: Pick<RegistryDeps, 'db' | 'blobs'>): readonly Consumer[] {
  const retain = blobs?.retain?.bind(blobs);
  // Without a lock there is no cursor either: the events are all still to come for a store that is opened with one.
  if (!retain) return [];
  return [
    {
      name: 'registry-retention',
      types: [versionRegistered.type],
      async effect(event) {
        const { model, version } = versionRegistered.read(event);
        const found = await findVersion(db.reader, { model, version });
        for (const digest of new Set(found?.artifacts.map((artifact) => artifact.digest) ?? [])) {
          await retain(digest).catch((error: unknown) => {
            // A version may outlive its content, which other checks tell of; the others are still locked.
            if (!(error instanceof KedgeError) || error.code !== blobErrors['not-found'].code) throw error;
          });
        }
      },
    },
  ];
}
