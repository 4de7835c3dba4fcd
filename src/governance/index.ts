import type { Migration } from '#platform/db';
import type { DomainParts } from '#platform/domain';
import type { ResourceKind } from '#platform/resources';
import type { RegistryGate } from '#registry';
import { approvalMigrations } from './approvals/migrations.ts';
import { ApprovalService } from './approvals/service.ts';
import { type GatePolicySpec, gatePolicySpec } from './contract.ts';
import { createGate } from './gate.ts';
import { governanceHandlers } from './handlers.ts';
import { governanceMigrations as ownMigrations } from './migrations/index.ts';
import { GovernanceService } from './service.ts';
import { createWebhooks, type WebhookDeps, webhookMigrations } from './webhooks/index.ts';

export type { GateDecision, GatePolicySpec, Waiver, WaiverDraft } from './contract.ts';
export { governanceErrors } from './errors.ts';
export { gateDecided } from './events.ts';
export const governanceMigrations: readonly Migration[] = [
  ...ownMigrations,
  ...approvalMigrations,
  ...webhookMigrations,
];

export const governanceKinds: readonly ResourceKind[] = [
  { kind: 'gate-policy', schema: gatePolicySpec } satisfies ResourceKind<GatePolicySpec>,
];

export type Governance = GovernanceService & {
  readonly gate: RegistryGate;
  readonly approvals: ApprovalService;
  readonly parts: DomainParts;
};

/** Governance: what a version must show before it serves or takes a protected alias, and every decision about that. */
export function createGovernance(deps: WebhookDeps): Governance {
  const service = new GovernanceService(deps);
  const approvals = new ApprovalService(deps);
  const webhooks = createWebhooks(deps);
  const parts: DomainParts = {
    ...webhooks.parts,
    routes: [governanceHandlers(service, approvals), ...webhooks.parts.routes],
  };
  return Object.assign(service, { gate: createGate(deps), approvals, parts });
}
