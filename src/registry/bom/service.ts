import type { Json } from '#core/json';
import type { DomainDeps } from '#platform/domain';
import type { BlobStore } from '#ports/blob-store';
import { requireVersion } from '../require.ts';
import type { ModelVersion } from '../shapes.ts';
import { listEvidence } from '../store/evidence.ts';
import type { VersionKey } from '../store/tables.ts';
import { bomOf } from './document.ts';
import type { RunLineage } from './facts.ts';

export interface BomDeps extends Pick<DomainDeps, 'db'> {
  readonly blobs: BlobStore;
  /** What is known of the run with this id; nothing for a run that is not known. */
  readonly lineageOf: (run: string) => Promise<RunLineage | undefined>;
}

/** The largest file of a version that is read to find what the version needs. */
const FILE_BYTES_MAX = 1_048_576;

/** Bills of materials of versions. */
export class BomService {
  readonly #deps: BomDeps;

  constructor(deps: BomDeps) {
    this.#deps = deps;
  }

  /** The bill of materials of a version, deleted or not, in CycloneDX 1.7. Errors: `registry/version-not-found`. */
  async export(key: VersionKey): Promise<Json> {
    const { SPDX } = await import('@cyclonedx/cyclonedx-library');
    const { reader } = this.#deps.db;
    const version = await requireVersion(reader, key);
    const facts = {
      version,
      evidence: await listEvidence(reader, key),
      lineage: version.runId === null ? undefined : await this.#deps.lineageOf(version.runId),
      files: {
        'requirements.txt': await this.#textOf(version, 'requirements.txt'),
        MLmodel: await this.#textOf(version, 'MLmodel'),
        'python_env.yaml': await this.#textOf(version, 'python_env.yaml'),
      },
    };
    return bomOf(facts, (text) => SPDX.fixupSpdxId(text));
  }

  async #textOf(version: ModelVersion, path: string): Promise<string | undefined> {
    const artifact = version.artifacts.find((one) => one.path === path);
    if (!artifact || artifact.bytes > FILE_BYTES_MAX) return undefined;
    return new TextDecoder().decode(await this.#deps.blobs.read(artifact.digest, { bytesMax: FILE_BYTES_MAX }));
  }
}
