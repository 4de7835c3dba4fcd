import type { Features } from '#features';
import type { DomainDeps } from '#platform/domain';
import type { Gate } from '#ports/gate';
import type { Registry } from '#registry';

export interface ServingDeps extends DomainDeps {
  readonly gate: Gate;
  readonly versions: VersionSource;
  /** Without it, endpoints with feature views are refused. */
  readonly features?: Pick<Features, 'plan'> | undefined;
}

/** What serving asks of the registry. */
export type VersionSource = Pick<Registry, 'liveVersion' | 'evidence' | 'versionByAlias' | 'moveAlias'>;
