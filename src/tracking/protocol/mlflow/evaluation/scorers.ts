import type { ForeignRoute } from '#platform/http';
import { EVALUATION_LIMITS } from '../../../evaluation/model.ts';
import type { ScorerService } from '../../../evaluation/scorers.ts';
import { experimentId } from '../fields.ts';
import { jsonText } from '../json-text.ts';
import { invalidValue, mlflowRoute } from '../route.ts';
import { wire } from '../wire.ts';
import { sentScorer } from './views.ts';

const name = () => wire.required(250).refine((value) => value.trim() !== '', 'expected more than blanks');
const scorer = () => ({ experiment_id: experimentId(), name: name() });
const version = () => wire.int64({ min: 1, max: 2_147_483_647 }).optional();
const BODY_BYTES_MAX = 4 * EVALUATION_LIMITS.scorerLength;
const EXPERIMENTS_MAX = 1_000;

export function scorerRoutes(service: ScorerService): ForeignRoute[] {
  return [registering(service), ...finding(service), deleting(service)];
}

function registering(service: ScorerService): ForeignRoute {
  return mlflowRoute({
    name: 'scorers.register',
    major: 3,
    method: 'POST',
    path: 'scorers/register',
    permission: 'tracking:write',
    audit: 'scorer.register',
    bodyBytesMax: BODY_BYTES_MAX,
    input: { ...scorer(), serialized_scorer: wire.required(EVALUATION_LIMITS.scorerLength) },
    async handler(input, ctx) {
      refuseCode(jsonText(input.serialized_scorer, 'serialized_scorer'));
      const of = { experiment: input.experiment_id, name: input.name };
      const made = await service.register(ctx, of, input.serialized_scorer);
      return {
        version: made.version,
        scorer_id: made.scorer,
        experiment_id: made.experiment,
        name: made.name,
        serialized_scorer: made.content,
        creation_time: made.createdAt,
      };
    },
  });
}

/** Whoever loads a scorer with code in it runs that code, so none is handed on. MLflow's own server refuses it too. */
function refuseCode(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    if (key === 'call_source' && item !== null) {
      throw invalidValue('serialized_scorer', key, 'a scorer with code of its own is not registered');
    }
    refuseCode(item);
  }
}

function finding(service: ScorerService): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'scorers.list',
      major: 3,
      method: 'GET',
      path: 'scorers/list',
      permission: 'tracking:read',
      reads: true,
      input: {
        experiment_id: experimentId().optional(),
        experiment_ids: wire.list(experimentId(), EXPERIMENTS_MAX).default([]),
      },
      async handler(input, ctx) {
        const experiments = input.experiment_id === undefined ? input.experiment_ids : [input.experiment_id];
        if (experiments.length === 0) {
          throw invalidValue('experiment_ids', [], 'name the experiments of the scorers');
        }
        return { scorers: (await service.list(ctx, experiments)).map(sentScorer) };
      },
    }),
    mlflowRoute({
      name: 'scorers.versions',
      major: 3,
      method: 'GET',
      path: 'scorers/versions',
      permission: 'tracking:read',
      reads: true,
      input: scorer(),
      async handler(input, ctx) {
        const of = { experiment: input.experiment_id, name: input.name };
        return { scorers: (await service.versions(ctx, of)).map(sentScorer) };
      },
    }),
    mlflowRoute({
      name: 'scorers.get',
      major: 3,
      method: 'GET',
      path: 'scorers/get',
      permission: 'tracking:read',
      reads: true,
      input: { ...scorer(), version: version() },
      async handler(input, ctx) {
        const of = { experiment: input.experiment_id, name: input.name };
        return { scorer: sentScorer(await service.get(ctx, of, input.version)) };
      },
    }),
    // Clients ask when scorers run by themselves whenever they list them. Here none does.
    mlflowRoute({
      name: 'scorers.online-configs',
      major: 3,
      method: 'GET',
      path: 'scorers/online-configs',
      permission: 'tracking:read',
      reads: true,
      input: { scorer_ids: wire.list(wire.required(256), EVALUATION_LIMITS.scorers) },
      handler: async () => ({ configs: [] }),
    }),
  ];
}

function deleting(service: ScorerService): ForeignRoute {
  return mlflowRoute({
    name: 'scorers.delete',
    major: 3,
    method: 'DELETE',
    path: 'scorers/delete',
    permission: 'tracking:write',
    audit: 'scorer.delete',
    input: { ...scorer(), version: version() },
    async handler(input, ctx) {
      await service.delete(ctx, { experiment: input.experiment_id, name: input.name }, input.version);
      return {};
    },
  });
}
