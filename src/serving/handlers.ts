import { type RouteGroup, routeGroup } from '#platform/http';
import type { GoldenRequests } from './checks/golden-service.ts';
import { servingContract } from './contract.ts';
import type { ServingService } from './service.ts';

export function servingHandlers(service: ServingService, golden: GoldenRequests): RouteGroup {
  return routeGroup(servingContract, {
    listGolden: async ({ params }) => ({ items: await golden.list(params.endpoint) }),
    addGolden: async ({ params, body }, ctx) => ({ items: await golden.add(ctx, params.endpoint, body.requests) }),
    sampleGolden: async ({ params, body }, ctx) => ({ items: await golden.sample(ctx, params.endpoint, body.count) }),
    removeGolden: async ({ params }, ctx) => ({ items: await golden.remove(ctx, params.endpoint, params.name) }),
    listExamples: async ({ params }) => ({ items: await golden.examples(params.endpoint) }),
    getCheckWork: ({ params }) => service.checkWork(params.rollout),
    reportChecks: async ({ body }, ctx) => ({ accepted: await service.reportChecks(ctx, body) }),
    listEndpoints: async () => ({ items: await service.endpoints() }),
    getEndpoint: ({ params }) => service.endpoint(params.endpoint),
    startRollout: ({ params, body }, ctx) => service.start(ctx, { endpoint: params.endpoint, ...body }),
    promoteRollout: ({ params, body: { arm, reason } }, ctx) =>
      arm === undefined
        ? service.promote(ctx, params.rollout, reason)
        : service.promoteArm(ctx, params.rollout, { arm, reason }),
    dropArm: ({ params, body }, ctx) => service.dropArm(ctx, params.rollout, { arm: params.arm, reason: body.reason }),
    abortRollout: ({ params, body }, ctx) => service.abort(ctx, params.rollout, body.reason),
    approveRollout: ({ params, body }, ctx) => service.approve(ctx, params.rollout, body.reason),
    pauseRollout: ({ params, body }, ctx) => service.pause(ctx, params.rollout, body.reason),
    resumeRollout: ({ params, body }, ctx) => service.resume(ctx, params.rollout, body.reason),
    getIncidentBundle: ({ params }) => service.bundle(params.rollout),
    getRolloutTraffic: ({ params }) => service.traffic(params.rollout),
    observeRollout: async ({ body }, ctx) => ({ accepted: await service.observe(ctx, body) }),
    reportOutcomes: async ({ params, body }, ctx) => ({
      accepted: await service.reportOutcomes(ctx, params.rollout, body),
    }),
    rollForward: ({ params, body }, ctx) => service.rollForward(ctx, params.rollout, body),
    unlockEndpoint: ({ params, body }, ctx) => service.unlock(ctx, params.endpoint, body.reason),
    listRollouts: async ({ params, query }) => {
      const { items, next } = await service.rollouts(params.endpoint, query);
      return { items: [...items], ...(next === undefined ? {} : { next }) };
    },
    getRollout: ({ params }) => service.rollout(params.rollout),
    pollRouting: ({ query }) => service.routing(query.after),
    resolveVersion: ({ params }) => service.resolveVersion(params.model, params.version),
    reportGuardrail: async ({ body }, ctx) => ({ accepted: await service.reportGuardrail(ctx, body) }),
  });
}
