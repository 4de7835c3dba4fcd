import { type RequestContext, type RouteGroup, routeGroup } from '#platform/http';
import type { ApprovalService } from './approvals/service.ts';
import { governanceContract } from './contract.ts';
import { governanceErrors } from './errors.ts';
import { isVisible, requireLevel, scopeOf } from './scope.ts';
import type { GovernanceService } from './service.ts';

export function governanceHandlers(service: GovernanceService, approvals: ApprovalService): RouteGroup {
  return routeGroup(governanceContract, { ...gateHandlers(service), ...approvalHandlers(approvals) });
}

type Handled = Parameters<typeof routeGroup<typeof governanceContract>>[1];
type GateRoutes =
  | 'listGateDecisions'
  | 'getGateDecision'
  | 'listGateWaivers'
  | 'waiveGate'
  | 'revokeGateWaiver'
  | 'gateChecklist';

function gateHandlers(service: GovernanceService) {
  const handlers: Pick<Handled, GateRoutes> = {
    async listGateDecisions({ query }, ctx) {
      const allow = query.allow === undefined ? undefined : query.allow === 'true';
      return sent(ctx, await service.decisions({ ...query, allow, project: scopeOf(ctx) }));
    },
    async getGateDecision({ params: { decision: id } }, ctx) {
      const decision = await service.decision(id);
      if (isVisible(ctx, decision.model)) return decision;
      throw governanceErrors['decision-not-found'](`there is no decision '${id}'`);
    },
    listGateWaivers: async ({ query }, ctx) => sent(ctx, await service.waivers({ ...query, project: scopeOf(ctx) })),
    waiveGate: ({ body }, ctx) => {
      requireLevel(ctx, body.model, 'MANAGE');
      return service.waive(ctx, body);
    },
    revokeGateWaiver: async ({ params: { waiver: id } }, ctx) => {
      requireLevel(ctx, (await service.waiver(id)).model, 'MANAGE');
      return service.revokeWaiver(ctx, id);
    },
    gateChecklist: ({ query }, ctx) => {
      requireLevel(ctx, query.model, 'READ');
      return service.checklist(query);
    },
  };
  return handlers;
}

function approvalHandlers(approvals: ApprovalService) {
  const seen = async (ctx: RequestContext, id: string) => {
    const request = await approvals.get(id);
    if (isVisible(ctx, request.model)) return request;
    throw governanceErrors['request-not-found'](`there is no approval request '${id}'`);
  };
  const handlers: Omit<Handled, GateRoutes> = {
    requestApproval: ({ body }, ctx) => {
      requireLevel(ctx, body.model, 'EDIT');
      return approvals.request(ctx, body);
    },
    listApprovalRequests: async ({ query }, ctx) =>
      sent(ctx, await approvals.list({ ...query, project: scopeOf(ctx) })),
    getApprovalRequest: ({ params }, ctx) => seen(ctx, params.request),
    async decideApproval({ params: { request: id }, body }, ctx) {
      await seen(ctx, id);
      return approvals.decide(ctx, id, body);
    },
    async withdrawApproval({ params: { request: id } }, ctx) {
      await seen(ctx, id);
      return approvals.withdraw(ctx, id);
    },
    enrolApproverKey: ({ body }, ctx) => approvals.enrol(ctx, body.publicKey),
    listApproverKeys: async ({ query }) => ({ items: await approvals.keys(query.user) }),
    revokeApproverKey: ({ params }, ctx) => approvals.revoke(ctx, params.key),
  };
  return handlers;
}

/** What the caller may see of a page. */
function sent<T extends { readonly model: string }>(
  ctx: RequestContext,
  page: { readonly items: readonly T[]; readonly next?: string | undefined },
) {
  return { items: page.items.filter(({ model }) => isVisible(ctx, model)), next: page.next };
}
