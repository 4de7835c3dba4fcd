import { fitsInput } from '../inputs.ts';
import { outputName, outputType } from '../outputs.ts';
import { checkParam, type ParamDeclaration } from '../params.ts';
import { parseSource } from '../sources.ts';
import type { PipelineSpec, StepSpec } from '../spec.ts';

type Inner = ReadonlyMap<string, PipelineSpec>;

/** What is wrong with how steps run other pipelines: parameters, inputs and outputs that those have not, or not so. */
export function fitProblem(spec: PipelineSpec, inner: Inner): string | undefined {
  for (const step of spec.steps) {
    const child = step.pipeline === undefined ? undefined : inner.get(step.pipeline);
    const problem =
      child && (paramProblem(step, child, spec) ?? inputProblem(step, child, spec) ?? outputProblem(step, child));
    if (problem) return `steps.${step.name}.${problem}`;
  }
  return undefined;
}

function paramProblem(step: StepSpec, child: PipelineSpec, own: PipelineSpec): string | undefined {
  const known = Object.keys(child.params).join(', ') || 'none';
  for (const [name, value] of Object.entries(step.params)) {
    const declared = child.params[name];
    if (!declared) {
      return `params.${name}: pipeline '${step.pipeline}' declares no parameter '${name}' (it declares: ${known})`;
    }
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

function inputProblem(step: StepSpec, child: PipelineSpec, own: PipelineSpec): string | undefined {
  const taken = child.inputs ?? {};
  const known = Object.keys(taken).join(', ') || 'none';
  for (const [name, text] of Object.entries(step.inputs)) {
    const declared = taken[name];
    if (!declared) {
      return `inputs.${name}: pipeline '${step.pipeline}' declares no input '${name}' (it declares: ${known})`;
    }
    const type = typeOf(text, own);
    if (type === undefined || fitsInput(type, declared.type)) continue;
    const expected = `expected ${declared.type}, as pipeline '${step.pipeline}' declares`;
    return `inputs.${name}: ${expected}, and '${text}' is ${type}`;
  }
  const missing = Object.entries(taken).find(
    ([name, { default: text }]) => text === undefined && !Object.hasOwn(step.inputs, name),
  );
  return missing && `inputs.${missing[0]} is required by pipeline '${step.pipeline}': it has no default`;
}

/** The type of what a source of a pipeline stands for; undefined for a source that the pipeline has not. */
function typeOf(text: string, { steps, inputs = {} }: PipelineSpec): string | undefined {
  const source = parseSource(text);
  if (source?.kind === 'input') return inputs[source.name]?.type;
  if (source?.kind === 'output') {
    const step = steps.find(({ name }) => name === source.step);
    const written = step?.outputs.find((output) => outputName(output) === source.output);
    return written === undefined ? undefined : outputType(written, { isDivided: step?.map !== undefined });
  }
  return source?.kind === 'result' ? 'json' : source?.reference.kind;
}

function outputProblem(step: StepSpec, child: PipelineSpec): string | undefined {
  const known = child.steps.flatMap((inner) =>
    inner.map || inner.onFailure ? [] : inner.outputs.map((output) => `${inner.name}.${output}`),
  );
  const unknown = step.outputs.find((output) => !known.includes(output));
  if (unknown === undefined) return undefined;
  const divided = child.steps.find((inner) => inner.map && unknown.startsWith(`${inner.name}.`));
  const why = divided ? `step '${divided.name}' is divided into units` : `it has: ${known.join(', ') || 'none'}`;
  return `outputs: pipeline '${step.pipeline}' has no output '${unknown}' to take (${why})`;
}
