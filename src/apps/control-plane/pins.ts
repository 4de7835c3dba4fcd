import { canonicalJson } from '#core/json';
import type { Datasets } from '#datasets';
import type { Pins } from '#pipelines';
import { type Resources, resourceErrors } from '#platform/resources';
import type { BlobStore } from '#ports/blob-store';

/**
 * What steps may refer to outside their pipeline. A dataset is pinned at its newest commit, as the list of its
 * segments; a feature view as it is declared.
 */
export function pinsOf(sources: {
  readonly datasets: Datasets;
  readonly resources: Resources;
  readonly blobs: BlobStore;
}): Pins {
  const { datasets, resources, blobs } = sources;
  const store = (value: unknown) => blobs.put(new TextEncoder().encode(canonicalJson(value)));
  return {
    async dataset(tx, name) {
      const { dataset, commit, columns, segments } = await datasets.snapshotIn(tx.db, name);
      return { ...(await store({ dataset, commit, columns, blobs: segments })), manifest: true };
    },
    async 'feature-view'(tx, name) {
      const view = await resources.find('feature-view', name, tx.db);
      if (!view) throw resourceErrors['not-found'](`there is no feature-view named '${name}'`);
      return store({ name, spec: view.spec });
    },
  };
}
