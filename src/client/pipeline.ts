import type { z } from 'zod';
import type { pipelineSpec } from '#pipelines/contract';
import type { Resource } from './resources.ts';

type PipelineInput = z.input<typeof pipelineSpec>;
type StepInput = PipelineInput['steps'][number];

declare const DECLARED: unique symbol;

/** A pipeline whose parameters and outputs are known to the compiler, so that steps of others may run it. */
export interface Pipeline<Spec extends PipelineInput = PipelineInput> extends Resource {
  readonly [DECLARED]?: Spec;
}

/** Steps that turn inputs into outputs: exported functions of modules beside the project file, or commands. */
export function pipeline<const Spec extends PipelineInput>(name: string, spec: Spec): Pipeline<Spec> {
  return { kind: 'pipeline', name, spec };
}

type Reference = `\${params.${string}}` | `\${item${string}}` | '${index}';
interface ParamValues {
  readonly string: string;
  readonly number: number | Reference;
  readonly integer: number | Reference;
  readonly boolean: boolean | Reference;
  readonly timestamp: string | number;
  readonly duration: string;
}
type ValueOf<Declaration> = Declaration extends { readonly type: infer Type extends keyof ParamValues }
  ? ParamValues[Type]
  : never;

type ParamsIn<Spec> = Spec extends { readonly params: infer Params } ? Params : Record<never, never>;
type Required<Params> = {
  [Name in keyof Params]: Params[Name] extends { readonly default: unknown } ? never : Name;
}[keyof Params];

/** What a run of the pipeline must be given, and what it may be given. */
type ParamsOf<Spec> = { readonly [Name in Required<ParamsIn<Spec>>]: ValueOf<ParamsIn<Spec>[Name]> } & {
  readonly [Name in keyof ParamsIn<Spec>]?: ValueOf<ParamsIn<Spec>[Name]>;
};

type StepsIn<Spec> = Spec extends { readonly steps: readonly (infer Step)[] } ? Step : never;
type OutputIn<Step> = Step extends { readonly map: unknown } | { readonly onFailure: true }
  ? never
  : Step extends {
        readonly name: infer Name extends string;
        readonly outputs: readonly (infer Output extends string)[];
      }
    ? `${Name}.${Output}`
    : never;

/** What a step may take of a run of the pipeline: `<step>.<output>`. */
type OutputsOf<Spec> = OutputIn<StepsIn<Spec>>;

type More = Pick<StepInput, 'needs' | 'when' | 'cache' | 'onFailure'>;

/**
 * A step that runs another pipeline: `pipelineStep('train', one, { params: { depth: 6 }, outputs: ['fit.model'] })`.
 * Parameters that it does not declare, or not so, and outputs that it has not, are errors of types.
 */
export function pipelineStep<
  const Name extends string,
  Spec extends PipelineInput,
  const Outputs extends readonly OutputsOf<Spec>[] = readonly [],
>(
  name: Name,
  child: Pipeline<Spec>,
  ...[options]: Record<never, never> extends ParamsOf<Spec>
    ? [StepOptions<Spec, Outputs>?]
    : [StepOptions<Spec, Outputs> & { readonly params: ParamsOf<Spec> }]
): Omit<StepInput, 'name' | 'outputs'> & { name: Name; outputs: Outputs[number][] } {
  const { params = {}, outputs = [], ...more } = options ?? {};
  return { ...more, name, pipeline: child.name, params: { ...params }, outputs: [...outputs] };
}

type StepOptions<Spec, Outputs> = More & { readonly params?: ParamsOf<Spec>; readonly outputs?: Outputs };
