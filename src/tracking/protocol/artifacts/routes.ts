import type { ForeignReply, ForeignRequest, ForeignRoute, ProtocolGroup, RequestContext } from '#platform/http';
import type { BlobStore } from '#ports/blob-store';
import { type ArtifactService, artifactPlace, type UploadService } from '../../artifacts/index.ts';
import { jsonReply, mlflowProtocol } from '../mlflow/mlflow.ts';
import { download } from './download.ts';
import { multipartRoutes } from './multipart.ts';
import { placeInUrl, proxyPaths } from './place.ts';

export interface ArtifactProtocolDeps {
  readonly artifacts: ArtifactService;
  readonly uploads: UploadService;
  readonly blobs: BlobStore;
}

/** As large as one file may be that is sent in one piece. */
const FILE_BYTES_MAX = 64 * 1024 ** 3;

/** MLflow's artifact proxy: files of runs, logged models and traces, streamed both ways. */
export function artifactProtocol(deps: ArtifactProtocolDeps): ProtocolGroup {
  const routes = [...fileRoutes(deps), ...multipartRoutes(deps)];
  // The service asks for the level on the experiment that each file belongs to.
  return { protocol: mlflowProtocol, routes: routes.map((route): ForeignRoute => ({ ...route, checksObjects: true })) };
}

function fileRoutes(deps: ArtifactProtocolDeps): readonly ForeignRoute[] {
  const { artifacts } = deps;
  return [
    {
      name: 'mlflow.listProxiedArtifacts',
      method: 'GET',
      paths: proxyPaths('artifacts'),
      permission: 'tracking:read',
      reads: true,
      handler: async ({ query }, ctx) => listing(artifacts, query.get('path') ?? '', ctx),
    },
    {
      name: 'mlflow.downloadArtifact',
      method: 'GET',
      paths: proxyPaths('artifacts/*'),
      permission: 'tracking:read',
      reads: true,
      handler: (request, ctx) => download(deps, request, ctx),
    },
    {
      name: 'mlflow.uploadArtifact',
      method: 'PUT',
      paths: proxyPaths('artifacts/*'),
      permission: 'tracking:write',
      audit: 'artifact.put',
      takes: 'bytes',
      bodyBytesMax: FILE_BYTES_MAX,
      async handler(request: ForeignRequest, ctx: RequestContext) {
        await artifacts.put(ctx, placeInUrl(request), request.bytes);
        return jsonReply({});
      },
    },
    {
      name: 'mlflow.deleteArtifact',
      method: 'DELETE',
      paths: proxyPaths('artifacts/*'),
      permission: 'tracking:write',
      audit: 'artifact.delete',
      async handler(request: ForeignRequest, ctx: RequestContext) {
        await artifacts.remove(ctx, placeInUrl(request));
        return jsonReply({});
      },
    },
  ];
}

async function listing(artifacts: ArtifactService, path: string, ctx: RequestContext): Promise<ForeignReply> {
  const trimmed = path.replace(/\/+$/, '');
  // The root of all experiments: nobody keeps files there.
  if (trimmed === '') return jsonReply({ files: [] });
  const entries = await artifacts.entries(artifactPlace(trimmed), ctx);
  const files = entries.map(({ name, file }) =>
    file ? { path: name, is_dir: false, file_size: file.bytes } : { path: name, is_dir: true },
  );
  return jsonReply({ files });
}
