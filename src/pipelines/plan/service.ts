import type { Context } from '#platform/db';
import { pipelineErrors } from '../errors.ts';
import type { PipelinesDeps } from '../service/service.ts';
import { buildRun } from '../service/start-run.ts';
import { type PipelineSpec, pipelineSpec } from '../spec.ts';
import type { Plan } from './contract.ts';
import { planSteps } from './plan.ts';

/** Says what runs would do. */
export class Plans {
  readonly #deps: PipelinesDeps;

  constructor(deps: PipelinesDeps) {
    this.#deps = deps;
  }

  /** The plan of a run of the pipeline as it is declared, or as `spec` would declare it. */
  async plan(
    context: Context,
    request: {
      readonly pipeline: string;
      readonly spec?: Readonly<Record<string, unknown>> | undefined;
      readonly params: Readonly<Record<string, unknown>>;
      readonly inputs?: Readonly<Record<string, string>> | undefined;
      readonly seed?: number | undefined;
    },
  ): Promise<Plan> {
    const { db, system, seed = 1, pins = {} } = this.#deps;
    const { pipeline, params, inputs } = request;
    const declared = request.spec && { generation: 0, spec: checked(pipeline, request.spec) };
    const cause = { kind: 'user', id: context.actor.id, depth: 0 } as const;
    // References are pinned as for a run, which stores what they stand for. Nothing else is written.
    const steps = await db.react(context, async (tx) => {
      const asked = { pipeline, params, inputs, cause, seed: request.seed };
      const built = await buildRun(tx, asked, { system, seed, pins, ...(declared ? { declared } : {}) });
      return planSteps(tx, built.run, built.steps);
    });
    return { pipeline, steps };
  }
}

function checked(pipeline: string, spec: Readonly<Record<string, unknown>>): PipelineSpec {
  const parsed = pipelineSpec.safeParse(spec);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => ({ path: `body.spec.${path.join('.')}`, message }));
  const first = `${issues[0]?.path} ${issues[0]?.message}`;
  throw pipelineErrors['invalid-params'](`pipeline '${pipeline}': ${first}`, issues.slice(0, 20));
}
