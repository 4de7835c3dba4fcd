import type { Features } from '#features';
import type { DomainDeps } from '#platform/domain';
import type { BlobStore } from '#ports/blob-store';
import type { Gate } from '#ports/gate';
import type { Registry } from '#registry';

export interface ServingDeps extends DomainDeps {
  readonly gate: Gate;
  readonly versions: VersionSource;
  /** Reads model files, and keeps declared graphs. Without it, versions of declarations and of tensors are refused. */
  readonly blobs?: Pick<BlobStore, 'read' | 'size' | 'localPath' | 'put'> | undefined;
  /** Without it, endpoints with feature views are refused. */
  readonly features?: Pick<Features, 'plan'> | undefined;
  /**
   * The newest predictions that a revision answered, for golden requests and examples: at most `limit`, where that is
   * told. Without it, none can be sampled.
   */
  readonly recorded?: (endpoint: string, revision: string, limit?: number) => Promise<readonly RecordedRequest[]>;
}

/** A prediction that was recorded: what the model got, by name, and its score. */
export interface RecordedRequest {
  readonly id: string;
  readonly at: number;
  readonly revision: string;
  readonly inputs: Readonly<Record<string, number | string | null>>;
  /** Null for a model of tensors, whose tensors are given where they were recorded whole. */
  readonly expected: number | null;
  readonly tensors?: Readonly<Record<'inputs' | 'outputs', readonly RecordedTensor[]>>;
}

/** A tensor that was recorded whole. */
export interface RecordedTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly (number | string | boolean | null)[];
}

/** What serving asks of the registry. */
export type VersionSource = Pick<
  Registry,
  'versionWithFile' | 'registerVersion' | 'evidence' | 'versionByAlias' | 'moveAlias'
>;
