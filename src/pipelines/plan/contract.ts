import { z } from 'zod';
import { contract, nameSchema, route } from '#platform/contract';
import { digestSchema, jsonValue } from '../spec.ts';

const plannedStep = z.object({
  step: z.string(),
  /**
   * `cached`: its work is there. `run`: it will run. `depends`: that is known when a step that it needs has run.
   * `wait`: for a person or a time. `skip`: its condition does not hold. `on-failure`: only if another fails.
   */
  outcome: z.enum(['cached', 'run', 'depends', 'wait', 'skip', 'on-failure']),
  /** In words: why. */
  reason: z.string(),
  needs: z.array(z.string()),
  key: digestSchema.nullable(),
  /** The run that did the work (cached), or the one with the nearest key (run). */
  other: z.string().nullable(),
  /** The ingredients of the key that differ from those of `other`. */
  differences: z.array(z.object({ ingredient: z.string(), before: jsonValue, now: jsonValue })),
  /** Of a step that is divided: how many units there would be, and how many of them are cached. */
  units: z.object({ all: z.number().int(), cached: z.number().int() }).nullable(),
});
export type PlannedStep = z.output<typeof plannedStep>;

const plan = z.object({ pipeline: z.string(), steps: z.array(plannedStep) });
export type Plan = z.output<typeof plan>;

export const plansContract = contract({
  planPipelineRun: route({
    method: 'POST',
    path: '/api/v1/pipelines/:pipeline/plan',
    summary: 'Say what a run would do, step by step: what is cached, what runs and why. Nothing is started',
    permission: 'pipelines:write',
    params: z.object({ pipeline: nameSchema }),
    body: z.strictObject({
      /** Instead of the spec that is declared. Its code need not be stored. */
      spec: z.record(z.string(), z.unknown()).optional(),
      params: z.record(z.string().max(60), z.unknown()).default({}),
      /** What the pipeline declares as inputs: `dataset:flights`, or `run:<run>/<step>.<output>`. */
      inputs: z.record(z.string().max(60), z.string().max(300)).default({}),
      seed: z.number().int().min(0).max(4_294_967_295).optional(),
    }),
    bodyBytesMax: 4 * 1024 * 1024,
    reply: plan,
    errors: [
      'pipelines/not-found',
      'pipelines/invalid-params',
      'pipelines/unknown-reference',
      'pipelines/not-nestable',
    ],
    audit: 'pipeline-run.plan',
  }),
});
