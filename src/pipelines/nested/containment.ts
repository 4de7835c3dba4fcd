import type { PipelineSpec, StepSpec } from '../spec.ts';
import { fitProblem } from './fit.ts';

/** How deep pipelines may lie in each other: a run, its steps, their steps and so on. */
export const NESTING_MAX = 5;
/** Steps of a run and of all runs in it. What units of one step are together is known when it is divided. */
export const NESTED_STEPS_MAX = 10_000;

/** A pipeline by name: as it is declared, or under the generation that a run uses. */
export type FindPipeline = (
  name: string,
) => Promise<{ readonly generation: number; readonly spec: PipelineSpec } | undefined>;

/** All that a pipeline contains, or why it cannot. */
export type Containment =
  | {
      readonly generations: ReadonlyMap<string, number>;
      /** How many steps a run of each has, with those of the runs inside. */
      readonly steps: ReadonlyMap<string, number>;
    }
  | { readonly problem: string };

interface Size {
  readonly steps: number;
  readonly levels: number;
}

/** Follows the steps of a pipeline that run others, down to the last. */
export async function containmentOf(name: string, spec: PipelineSpec, find: FindPipeline): Promise<Containment> {
  const generations = new Map<string, number>();
  const sizes = new Map<string, Size>();
  const visit = async (of: string, declared: PipelineSpec, path: readonly string[]): Promise<Size | string> => {
    if (path.length > NESTING_MAX) {
      return `pipelines lie in each other more than ${NESTING_MAX} deep: ${[...path, of].join(' -> ')}`;
    }
    let [steps, levels] = [declared.steps.length, 1];
    const specs = new Map<string, PipelineSpec>();
    for (const step of declared.steps) {
      const inner = step.pipeline;
      if (inner === undefined) continue;
      const way = [...path, of];
      if (way.includes(inner)) {
        return `a pipeline cannot contain itself: ${[...way.slice(way.indexOf(inner)), inner].join(' -> ')}`;
      }
      const found = await find(inner);
      if (!found) return `pipeline '${of}' runs '${inner}', which is not declared`;
      generations.set(inner, found.generation);
      specs.set(inner, found.spec);
      const known = sizes.get(inner);
      const size = known && path.length + known.levels < NESTING_MAX ? known : await visit(inner, found.spec, way);
      if (typeof size === 'string') return size;
      sizes.set(inner, size);
      steps += size.steps * unitsOf(step);
      levels = Math.max(levels, size.levels + 1);
      if (steps > NESTED_STEPS_MAX) return `pipeline '${of}' has more than ${NESTED_STEPS_MAX} steps with those inside`;
    }
    const misfit = fitProblem(declared, specs);
    if (misfit !== undefined) return path.length === 0 ? misfit : `pipeline '${of}': ${misfit}`;
    return { steps, levels };
  };
  const size = await visit(name, spec, []);
  if (typeof size === 'string') return { problem: size };
  return { generations, steps: new Map([...sizes].map(([inner, { steps }]) => [inner, steps])) };
}

/** How many runs a step is, as far as its declaration says. */
function unitsOf({ map }: StepSpec): number {
  if (!map) return 1;
  if ('items' in map) return map.items.length;
  return 'count' in map && typeof map.count === 'number' ? map.count : 1;
}
