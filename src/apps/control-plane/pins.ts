import { canonicalJson } from '#core/json';
import type { Datasets } from '#datasets';
import type { Pins } from '#pipelines';
import { type Resources, resourceErrors } from '#platform/resources';
import type { BlobStore } from '#ports/blob-store';
import { DEFAULT_PROJECT, findAlias, modelKey, registryErrors, requireLive } from '#registry';
import { servingErrors } from '#serving';

/**
 * What steps may refer to outside their pipeline. A dataset is pinned at its newest commit, as the list of its
 * segments; a feature view as it is declared; a model of columns as its version by number or alias, with its file.
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
    async model(tx, text, { project }) {
      const at = text.lastIndexOf('@');
      const [name, named] = [text.slice(0, at), text.slice(at + 1)];
      if (at < 1 || named === '') throw resourceErrors['not-found'](`'model:${text}': expected model:<name>@<version>`);
      const model = modelKey(project ?? DEFAULT_PROJECT, name);
      const version = /^\d+$/.test(named) ? Number(named) : await findAlias(tx.db, model, named);
      if (version === undefined) throw registryErrors['alias-not-found'](`model '${model}' has no alias '${named}'`);
      const { modelFile, signature } = await requireLive(tx.db, { model, version });
      const revision = `${model}@${version}`;
      if (modelFile.path !== 'model.onnx' || signature.inputs.length === 0) {
        throw servingErrors['not-servable'](`${revision} is not predicted by a step: it is no ONNX model of columns`);
      }
      const { digest, bytes } = modelFile;
      const content = { revision, model, version, digest, signature, blobs: [{ digest, bytes }] };
      return { ...(await store(content)), manifest: true };
    },
  };
}
