import type { Handlers } from '#platform/contract';
import type { RequestContext } from '#platform/http';
import type { ArtifactService } from '../artifacts/index.ts';
import type { importRoutes } from './contract.ts';
import type { ImportService } from './service.ts';
import type { TraceImportService } from './traces.ts';

export function importHandlers(
  service: ImportService,
  { artifacts, traces }: { readonly artifacts: ArtifactService; readonly traces: TraceImportService },
): Handlers<typeof importRoutes, RequestContext> {
  return {
    importExperiment: ({ body }, ctx) => service.experiment(ctx, body),
    importRun: ({ body }, ctx) => service.run(ctx, body),
    importLoggedModel: ({ body }, ctx) => service.model(ctx, body),
    async importBatch({ params, body }, ctx) {
      await service.batch(ctx, params, body);
      return { added: true };
    },
    finishImport: ({ params, body }, ctx) => service.finish(ctx, params, body),
    importTrace: ({ body }, ctx) => traces.bring(ctx, body),
    getTraceImport: ({ params }, ctx) => traces.state(ctx, params.id),
    async getImport({ params: owner }, ctx) {
      const { readable, ...state } = await service.state(ctx, owner);
      const files = readable ? await artifacts.list({ owner, path: '' }, ctx) : [];
      return { ...state, files: files.map(({ path, bytes }) => ({ path, bytes })) };
    },
  };
}
