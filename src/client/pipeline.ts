import type { z } from 'zod';
import type { pipelineSpec } from '#pipelines/contract';
import type { Resource } from './resources.ts';

type PipelineInput = z.input<typeof pipelineSpec>;
type StepInput = PipelineInput['steps'][number];

declare const DECLARED: unique symbol;
declare const TAKES: unique symbol;

/** A pipeline whose parameters, inputs and outputs are known to the compiler, so that steps of others may run it. */
export interface Pipeline<Spec extends PipelineInput = PipelineInput> extends Resource {
  readonly [DECLARED]?: Spec;
}

/**
 * Steps that turn inputs into outputs: exported functions of modules beside the project file, or commands. An input
 * that reads what no step writes, or hands on what does not fit the pipeline that a step runs, is an error of types.
 */
export function pipeline<const Spec extends PipelineInput>(name: string, spec: Spec & Checked<Spec>): Pipeline<Spec> {
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

type Named<Inputs> = { readonly [Name in keyof Inputs]: TypeOf<Inputs[Name]> };
type TypeOf<Declaration> = Declaration extends { readonly type: infer Type extends string } ? Type : 'file';
/** The inputs of a pipeline with their types: `{ rows: 'file' }`. */
type InputsIn<Spec> = Spec extends { readonly inputs: infer Inputs } ? Named<Inputs> : Record<never, never>;

type NameIn<Spec> = StepsIn<Spec> extends { readonly name: infer Name extends string } ? Name : never;
type Written<Step> = Step extends {
  readonly name: infer Name extends string;
  readonly outputs: readonly (infer Output extends string)[];
}
  ? `${Name}.${WithoutSlash<Output>}`
  : never;
/** Inputs name an output without the slash that makes it a directory. */
type WithoutSlash<Output> = Output extends `${infer Directory}/` ? Directory : Output & string;
type FilesOf<Step> = Step extends {
  readonly name: infer Name extends string;
  readonly outputs: readonly (infer Output extends string)[];
}
  ? `${Name}.${Exclude<Output, `${string}/`>}`
  : never;
type DirectoriesOf<Step> = Step extends {
  readonly name: infer Name extends string;
  readonly outputs: readonly (infer Output extends string)[];
}
  ? `${Name}.${WithoutSlash<Extract<Output, `${string}/`>>}`
  : never;
type Divided<Step> = Step extends { readonly map: object } ? Step : never;
type Whole<Step> = Step extends { readonly map: object } ? never : Step;
type ResultsIn<Spec> = `result:${NameIn<Spec>}` | `result:${NameIn<Spec>}.${string}`;
type GivenIn<Spec, Type> = {
  [Name in keyof InputsIn<Spec>]: InputsIn<Spec>[Name] extends Type ? `input:${Name & string}` : never;
}[keyof InputsIn<Spec>];

/** The sources of a pipeline that have a type: what may stand for an input which is declared so. */
type SourceOf<Spec, Type> = Type extends 'file'
  ? FilesOf<Whole<StepsIn<Spec>>> | ResultsIn<Spec> | GivenIn<Spec, 'file' | 'json'>
  : Type extends 'files'
    ? FilesOf<Divided<StepsIn<Spec>>> | GivenIn<Spec, 'files'>
    : Type extends 'directory'
      ? DirectoriesOf<Whole<StepsIn<Spec>>> | GivenIn<Spec, 'directory'>
      : Type extends 'directories'
        ? DirectoriesOf<Divided<StepsIn<Spec>>> | GivenIn<Spec, 'directories'>
        : Type extends 'json'
          ? ResultsIn<Spec> | GivenIn<Spec, 'json'>
          : `${Type & string}:${string}` | GivenIn<Spec, Type>;

/** An input as it is if the pipeline has its source, else what it may be. */
type Known<Spec, Text> = Text extends `result:${string}`
  ? Text extends ResultsIn<Spec>
    ? Text
    : ResultsIn<Spec>
  : Text extends `input:${string}`
    ? GivenIn<Spec, string>
    : Text extends `${string}:${string}`
      ? Text
      : Written<StepsIn<Spec>>;

type CheckedStep<Spec, Step> = Step extends { readonly inputs: infer Inputs }
  ? {
      readonly inputs: Step extends { readonly [TAKES]: infer Types }
        ? { readonly [Name in keyof Inputs]: Name extends keyof Types ? SourceOf<Spec, Types[Name]> : never }
        : { readonly [Name in keyof Inputs]: Known<Spec, Inputs[Name]> };
    }
  : unknown;

/** What the compiler can say of a graph that is written out. Steps that are computed are for the control plane. */
type Checked<Spec extends PipelineInput> =
  string extends NameIn<Spec>
    ? unknown
    : { readonly steps: { readonly [Index in keyof Spec['steps']]: CheckedStep<Spec, Spec['steps'][Index]> } };

type More = Pick<StepInput, 'needs' | 'when' | 'cache' | 'onFailure' | 'map'>;

/** What a step must hand to a run of the pipeline, and what it may. That it fits is seen where the step stands. */
type Handed<Spec> = { readonly [Name in Required<InputsOf<Spec>>]: string } & {
  readonly [Name in keyof InputsOf<Spec>]?: string;
};
type InputsOf<Spec> = Spec extends { readonly inputs: infer Inputs } ? Inputs : Record<never, never>;

/**
 * A step that runs another pipeline: `pipelineStep('train', one, { params: { depth: 6 }, outputs: ['fit.model'] })`.
 * Parameters and inputs that it does not declare, or not so, and outputs that it has not, are errors of types.
 */
export function pipelineStep<
  const Name extends string,
  Spec extends PipelineInput,
  const Inputs extends Readonly<Record<string, string>> = Record<never, never>,
  const Outputs extends readonly OutputsOf<Spec>[] = readonly [],
  const Items extends StepInput['map'] = undefined,
>(
  name: Name,
  child: Pipeline<Spec>,
  ...[options]: Record<never, never> extends ParamsOf<Spec> & Handed<Spec>
    ? [StepOptions<Spec, Inputs, Outputs, Items>?]
    : [StepOptions<Spec, Inputs, Outputs, Items> & Needed<'params', ParamsOf<Spec>> & Needed<'inputs', Handed<Spec>>]
): NestedStep<NoInfer<Name>, NoInfer<Spec>, NoInfer<Inputs>, NoInfer<Outputs>, NoInfer<Items>> {
  const { params = {}, inputs = {}, outputs = [], ...more } = options ?? {};
  const step = { ...more, name, pipeline: child.name, params: { ...params }, inputs: { ...inputs }, outputs };
  return step as typeof step & NestedStep<Name, Spec, Inputs, Outputs, Items>;
}

type Needed<Part extends string, Value> =
  Record<never, never> extends Value ? unknown : { readonly [Name in Part]: Value };

type NestedStep<Name, Spec, Inputs, Outputs extends readonly string[], Items> = Omit<
  StepInput,
  'name' | 'inputs' | 'outputs' | 'map'
> & {
  name: Name;
  inputs: Inputs;
  outputs: Outputs[number][];
  readonly [TAKES]: InputsIn<Spec>;
} & (undefined extends Items ? unknown : { map: Items & object });

interface StepOptions<Spec, Inputs, Outputs, Items> extends Omit<More, 'map'> {
  readonly params?: ParamsOf<Spec>;
  /** Where what it takes comes from, in the pipeline of the step: `{ rows: 'prepare.rows', best: 'result:tune' }`. */
  readonly inputs?: Inputs & { readonly [Name in keyof Inputs]: Name extends keyof InputsOf<Spec> ? string : never };
  readonly outputs?: Outputs;
  /** Runs it for each item; `${item}` and `${index}` stand in `params`. */
  readonly map?: Items;
}
