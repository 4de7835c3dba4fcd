import { type RouteGroup, routeGroup } from '#platform/http';
import { pipelinesContract, workContract } from './contract.ts';
import type { RunControl } from './service/control.ts';
import type { PipelineService } from './service/service.ts';

export function pipelineHandlers(service: PipelineService, control: RunControl): RouteGroup {
  return routeGroup(pipelinesContract, {
    putPipelineCode: async ({ upload }, ctx) => {
      const { digest, files } = await service.putCode(ctx, upload.bytes);
      return { digest, files: Object.keys(files).length };
    },
    putPipelineFile: ({ upload }, ctx) => service.putFile(ctx, upload.bytes),
    startPipelineRun: ({ params, body }, ctx) => {
      const cause = { kind: 'user', id: ctx.actor.id, depth: 0 } as const;
      return service.startRun(ctx, { pipeline: params.pipeline, ...body, cause });
    },
    listPipelineRuns: ({ query }) => service.runs(query),
    getPipelineRun: ({ params }) => service.run(params.run),
    cancelPipelineRun: ({ params, body }, ctx) => service.cancelRun(ctx, params.run, body.reason),
    pausePipelineRun: ({ params }, ctx) => control.setPaused(ctx, params.run, true),
    unpausePipelineRun: ({ params }, ctx) => control.setPaused(ctx, params.run, false),
    resumePipelineRun: ({ params }, ctx) => control.resume(ctx, params.run),
    rerunPipelineRun: ({ params, body }, ctx) => control.rerun(ctx, params.run, body),
    decideStep: ({ params, body }, ctx) =>
      control.decide(ctx, params, { approve: body.decision === 'approve', reason: body.reason }),
    listUnits: ({ params, query }) => service.units(params.run, params.step, query),
    readStepLog: ({ params, query }) => service.stepLog(params.run, params.step, query),
    listWorkers: async () => ({ items: service.workers() }),
    verifyCache: ({ params, body }, ctx) => control.verify(ctx, params.run, body),
    explainStepCache: ({ params }) => service.explainCache(params.run, params.step),
  });
}

export function workHandlers(service: PipelineService): RouteGroup {
  return routeGroup(workContract, {
    leaseWork: async ({ body }) => ({ attempts: await service.lease(body) }),
    leaveWork: async ({ body }, ctx) => ({ released: await service.leave(ctx, body) }),
    heartbeatWork: ({ params, body }) => service.heartbeat(params.attempt, body),
    appendWorkLog: async ({ params, body }) => {
      await service.appendLog(params.attempt, body.epoch, body.lines);
      return { appended: body.lines.length };
    },
    finishWork: ({ params, body }, ctx) => service.finishAndLease(ctx, params.attempt, body),
  });
}
