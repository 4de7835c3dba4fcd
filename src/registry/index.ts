import type { DomainParts } from '#platform/domain';
import { registryHandlers } from './handlers.ts';
import { ModelImportService } from './imports/service.ts';
import { registryProtocol } from './protocol/mlflow/index.ts';
import { retentionConsumers } from './retention.ts';
import { type RegistryDeps, RegistryService } from './service.ts';

export { appendApproval, isIndependent } from './approve.ts';
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
export { aliasMoved, evidenceAdded, modelChanged, stageMoved, versionChanged, versionRegistered } from './events.ts';
export type { RegistryGate, RegistryGateRequest } from './gate.ts';
export { registeredFiles } from './holders.ts';
export { registryMigrations } from './migrations/index.ts';
export { DEFAULT_PROJECT, modelKey, PROTECTED_STAGE, partsOfKey, versionSubject } from './model.ts';
export { withVersionFiles } from './protocol/mlflow/version-files.ts';
export { requireLive, requireModel, requireVersion } from './require.ts';
export type { ModelSources, SourceOwner } from './sources.ts';
export { findAlias } from './store/aliases.ts';
export { listEvidence } from './store/evidence.ts';
export { listVersions } from './store/versions.ts';
export { trackedSources } from './tracked-sources.ts';

export type Registry = RegistryService & { readonly parts: DomainParts };

/** The registry: models, their immutable versions with the evidence about them, and the aliases that point to them. */
export function createRegistry(deps: RegistryDeps): Registry {
  const service = new RegistryService(deps);
  const parts: DomainParts = {
    routes: [registryHandlers(service, new ModelImportService(deps))],
    protocols: [registryProtocol(service)],
    consumers: retentionConsumers(deps),
    jobs: [],
  };
  return Object.assign(service, { parts });
}
