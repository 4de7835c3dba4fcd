import type { DomainParts } from '#platform/domain';
import { registryHandlers } from './handlers.ts';
import { type RegistryDeps, RegistryService } from './service.ts';

export type {
  AliasMove,
  Evidence,
  EvidenceDraft,
  ModelSignature,
  ModelVersion,
  RegisteredModel,
  VersionArtifact,
  VersionDraft,
} from './contract.ts';
export { registryErrors } from './errors.ts';
export { aliasMoved, evidenceAdded, versionRegistered } from './events.ts';
export { registryMigrations } from './migrations/index.ts';
export { versionSubject } from './model.ts';

export type Registry = RegistryService & { readonly parts: DomainParts };

/** The registry: models, their immutable versions with the evidence about them, and the aliases that point to them. */
export function createRegistry(deps: RegistryDeps): Registry {
  const service = new RegistryService(deps);
  const parts: DomainParts = { routes: [registryHandlers(service)], consumers: [], jobs: [] };
  return Object.assign(service, { parts });
}
