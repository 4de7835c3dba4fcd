import type { ForeignRoute } from '#platform/http';
import type { ArtifactOwner, ArtifactService } from '../../artifacts/index.ts';
import { artifactPathSchema } from '../../contract.ts';
import type { LoggedModelService } from '../../services/models.ts';
import type { RunService } from '../../services/runs.ts';
import { pageTokenField, runId } from './fields.ts';
import { invalidValue, mlflowRoute } from './route.ts';
import { wire } from './wire.ts';

export interface FileServices {
  readonly artifacts: ArtifactService;
  readonly runs: RunService;
  readonly models: LoggedModelService;
}

/** What lies in the folders of runs and logged models, as MLflow's pages and older clients ask for it. */
export function fileRoutes({ artifacts, runs, models }: FileServices): ForeignRoute[] {
  const list = async (owner: ArtifactOwner, folder: string) => {
    const path = folder.replace(/\/+$/, '');
    if (path !== '' && !artifactPathSchema.safeParse(path).success) throw invalidValue('path', folder, 'Invalid path');
    const entries = await artifacts.entries({ owner, path });
    return entries.map(({ name, file }) => ({
      path: path === '' ? name : `${path}/${name}`,
      is_dir: file === undefined,
      file_size: file?.bytes,
    }));
  };
  return [
    mlflowRoute({
      name: 'artifacts.list',
      major: 2,
      method: 'GET',
      path: 'artifacts/list',
      permission: 'tracking:read',
      reads: true,
      input: { run_id: runId(), path: wire.string(2_000).default(''), page_token: pageTokenField() },
      async handler(input, ctx) {
        const run = await runs.get(ctx, input.run_id);
        return { root_uri: run.artifactUri, files: await list({ kind: 'run', id: run.id }, input.path) };
      },
    }),
    mlflowRoute({
      name: 'logged-models.list-artifacts',
      major: 2,
      method: 'GET',
      path: 'logged-models/:model_id/artifacts/directories',
      permission: 'tracking:read',
      reads: true,
      input: {
        model_id: wire.required(256),
        artifact_directory_path: wire.string(2_000).default(''),
        page_token: pageTokenField(),
      },
      async handler(input, ctx) {
        const model = await models.get(ctx, input.model_id);
        const files = await list({ kind: 'model', id: model.id }, input.artifact_directory_path);
        return { root_uri: model.artifactUri, files };
      },
    }),
  ];
}
