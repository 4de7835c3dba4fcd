import { checkParam, type ParamDeclaration } from '../params.ts';
import type { PipelineSpec, StepSpec } from '../spec.ts';

/** How deep pipelines may lie in each other: a run, its steps, their steps and so on. */
export const NESTING_MAX = 5;
/** Steps of a run and of all runs in it. */
export const NESTED_STEPS_MAX = 10_000;

/** A pipeline by name: as it is declared, or under the generation that a run uses. */
export type FindPipeline = (
  name: string,
) => Promise<{ readonly generation: number; readonly spec: PipelineSpec } | undefined>;

/** All that a pipeline contains, or why it cannot. */
export type Containment = { readonly generations: ReadonlyMap<string, number> } | { readonly problem: string };

/** Follows the steps of a pipeline that run others, down to the last. */
export async function containmentOf(name: string, spec: PipelineSpec, find: FindPipeline): Promise<Containment> {
  const generations = new Map<string, number>();
  const sizes = new Map<string, { readonly steps: number; readonly levels: number }>();
  const visit = async (
    of: string,
    declared: PipelineSpec,
    path: readonly string[],
  ): Promise<{ readonly steps: number; readonly levels: number } | string> => {
    if (path.length > NESTING_MAX) {
      return `pipelines lie in each other more than ${NESTING_MAX} deep: ${[...path, of].join(' -> ')}`;
    }
    let [steps, levels] = [declared.steps.length, 1];
    for (const inner of declared.steps.flatMap(({ pipeline }) => pipeline ?? [])) {
      const way = [...path, of];
      if (way.includes(inner)) {
        return `a pipeline cannot contain itself: ${[...way.slice(way.indexOf(inner)), inner].join(' -> ')}`;
      }
      const found = await find(inner);
      if (!found) return `pipeline '${of}' runs '${inner}', which is not declared`;
      generations.set(inner, found.generation);
      const known = sizes.get(inner);
      const size = known && path.length + known.levels < NESTING_MAX ? known : await visit(inner, found.spec, way);
      if (typeof size === 'string') return size;
      sizes.set(inner, size);
      steps += size.steps;
      levels = Math.max(levels, size.levels + 1);
      if (steps > NESTED_STEPS_MAX) return `pipeline '${of}' has more than ${NESTED_STEPS_MAX} steps with those inside`;
    }
    return { steps, levels };
  };
  const size = await visit(name, spec, []);
  return typeof size === 'string' ? { problem: size } : { generations };
}

/** What is wrong with how steps run other pipelines: parameters and outputs that those have not. */
export function fitProblem(spec: PipelineSpec, inner: ReadonlyMap<string, PipelineSpec>): string | undefined {
  for (const step of spec.steps) {
    const child = step.pipeline === undefined ? undefined : inner.get(step.pipeline);
    const problem = child && (paramProblem(step, child, spec) ?? outputProblem(step, child));
    if (problem) return `steps.${step.name}: ${problem}`;
  }
  return undefined;
}

function paramProblem(step: StepSpec, child: PipelineSpec, own: PipelineSpec): string | undefined {
  const known = Object.keys(child.params).join(', ') || 'none';
  for (const [name, value] of Object.entries(step.params)) {
    const declared = child.params[name];
    if (!declared) return `pipeline '${step.pipeline}' declares no parameter '${name}' (it declares: ${known})`;
    const expected = misfit(declared, value, own);
    if (expected !== undefined) return `params.${name}: expected ${expected}, as pipeline '${step.pipeline}' declares`;
  }
  const missing = Object.entries(child.params).find(
    ([name, { default: value }]) => value === undefined && !Object.hasOwn(step.params, name),
  );
  return missing && `params.${missing[0]} is required by pipeline '${step.pipeline}': it has no default`;
}

/** What a value should be. One that stands in a text with references is known only when a run is started. */
function misfit(declared: ParamDeclaration, value: unknown, own: PipelineSpec): string | undefined {
  const whole = typeof value === 'string' ? /^\$\{params\.([A-Za-z0-9_-]+)\}$/.exec(value)?.[1] : undefined;
  const type = whole === undefined ? undefined : own.params[whole]?.type;
  if (type !== undefined) {
    const isFit = type === declared.type || !FITS[declared.type] || FITS[declared.type]?.includes(type);
    return isFit ? undefined : `${declared.type}, and the parameter '${whole}' is ${type}`;
  }
  if (typeof value === 'string' && value.includes('${')) return undefined;
  const checked = checkParam(declared.type, value);
  return 'expected' in checked ? checked.expected : undefined;
}

/** Types whose values a parameter of the type takes beside its own. What a text holds is known when it is given. */
const FITS: Readonly<Partial<Record<ParamDeclaration['type'], readonly ParamDeclaration['type'][]>>> = {
  string: ['duration'],
  number: ['integer', 'timestamp'],
  integer: ['timestamp', 'number'],
  boolean: [],
};

function outputProblem(step: StepSpec, child: PipelineSpec): string | undefined {
  const known = child.steps.flatMap((inner) =>
    inner.map || inner.onFailure ? [] : inner.outputs.map((output) => `${inner.name}.${output}`),
  );
  const unknown = step.outputs.find((output) => !known.includes(output));
  if (unknown === undefined) return undefined;
  const divided = child.steps.find((inner) => inner.map && unknown.startsWith(`${inner.name}.`));
  const why = divided ? `step '${divided.name}' is divided into units` : `it has: ${known.join(', ') || 'none'}`;
  return `pipeline '${step.pipeline}' has no output '${unknown}' to take (${why})`;
}
