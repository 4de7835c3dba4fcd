import type { DomainDeps, DomainParts } from '#platform/domain';
import type { ResourceKind } from '#platform/resources';
import type { Gate } from '#ports/gate';
import { type GatePolicySpec, gatePolicySpec } from './contract.ts';
import { createGate } from './gate.ts';
import { governanceHandlers } from './handlers.ts';
import { GovernanceService } from './service.ts';

export type { GateDecision, GatePolicySpec, Waiver, WaiverDraft } from './contract.ts';
export { governanceErrors } from './errors.ts';
export { gateDecided } from './events.ts';
export { governanceMigrations } from './migrations/index.ts';

export const governanceKinds: readonly ResourceKind[] = [
  { kind: 'gate-policy', schema: gatePolicySpec } satisfies ResourceKind<GatePolicySpec>,
];

export type Governance = GovernanceService & { readonly gate: Gate; readonly parts: DomainParts };

/** Governance: what a version must show before it serves or takes a protected alias, and every decision about that. */
export function createGovernance(deps: DomainDeps): Governance {
  const service = new GovernanceService(deps);
  const parts: DomainParts = { routes: [governanceHandlers(service)], consumers: [], jobs: [] };
  return Object.assign(service, { gate: createGate(deps), parts });
}
