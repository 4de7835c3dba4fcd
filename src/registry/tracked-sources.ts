import type { ForeignRoute, RequestContext } from '#platform/http';
import type { Tracking } from '#tracking';
import type { VersionArtifact } from './shapes.ts';
import type { ModelSources, SourceOwner } from './sources.ts';

/** What is read of MLflow's messages about a run and a logged model. */
interface Told {
  readonly info?: { readonly experiment_id?: string; readonly source_run_id?: string };
  readonly data?: { readonly metrics?: readonly { readonly key: string; readonly value: number | string }[] };
}

interface Asked {
  readonly told: Told;
  readonly ctx: RequestContext;
}

/**
 * Runs and logged models as their clients see them: a caller registers only what they may read, in the project of their
 * request, because the same routes are asked in their name.
 */
export function trackedSources(tracking: Pick<Tracking, 'artifacts' | 'parts'>): ModelSources {
  const routes = (tracking.parts.protocols ?? []).flatMap((group) => group.routes);
  const ask = async (name: string, params: Readonly<Record<string, string>>, ctx: RequestContext): Promise<unknown> => {
    const route = routes.find((one) => one.name === name);
    if (!route) throw new Error(`tracking serves no route ${name}`);
    const { body } = await route.handler({ ...NOTHING_SENT, query: new URLSearchParams(params), params }, ctx);
    return JSON.parse(String(body));
  };
  const owner = (kind: 'run' | 'model', id: string, { told, ctx }: Asked): SourceOwner => ({
    runId: kind === 'run' ? id : told.info?.source_run_id || null,
    metrics: Object.fromEntries((told.data?.metrics ?? []).map(({ key, value }) => [key, Number(value)])),
    async files(folder) {
      const experiment = told.info?.experiment_id;
      const place = { owner: { kind, id }, path: folder, ...(experiment === undefined ? {} : { experiment }) };
      return (await tracking.artifacts.list(place, ctx)).map(({ path, digest, bytes }): VersionArtifact => {
        return { path: folder === '' ? path : path.slice(folder.length + 1), digest, bytes };
      });
    },
  });
  return {
    async run(ctx, run) {
      const { run: told } = (await ask('mlflow.runs.get', { run_id: run }, ctx)) as { run: Told };
      return owner('run', run, { told, ctx });
    },
    async loggedModel(ctx, model) {
      const { model: told } = (await ask('mlflow.logged-models.get', { model_id: model }, ctx)) as { model: Told };
      return owner('model', model, { told, ctx });
    },
  };
}

const NOTHING_SENT: Omit<Parameters<ForeignRoute['handler']>[0], 'query' | 'params'> = {
  headers: {},
  url: '',
  body: undefined,
  bytes: (async function* () {})(),
};
