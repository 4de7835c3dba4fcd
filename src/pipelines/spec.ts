import { z } from 'zod';
import type { Json } from '#core/json';
import { nameSchema } from '#platform/contract';
import { partitionSpan, partitionsSpec } from './backfills/partitions.ts';
import { duration, durationUpTo } from './durations.ts';
import { graphIssues, upstreamOf } from './graph.ts';
import { inputDeclaration } from './inputs.ts';
import { outputDeclaration, outputName } from './outputs.ts';
import { checkParam, PARAM_TYPES, referencedParams } from './params.ts';
import { sourceSpec } from './record/source.ts';
import { backoffSpec, retriesSpec } from './retries.ts';
import { parseSource } from './sources.ts';
import { stepFiles, stepRuntime } from './step-files.ts';
import { unionWords } from './union-words.ts';
import { waitSpec } from './waits/spec.ts';

export const STEPS_MAX = 200;
const PARAMS_BYTES_MAX = 16 * 1024;

const JSON_DEPTH_MAX = 64;

/** Any JSON value. A custom schema, because a recursive one has no place in the schemas of an OpenAPI document. */
export const jsonValue = z.custom<Json>((value) => isJson(value, 0), 'expected JSON, at most 64 levels deep');

function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || depth >= JSON_DEPTH_MAX) return false;
  return Object.values(value).every((item) => isJson(item, depth + 1));
}

export const digestSchema = z.templateLiteral(['sha256:', z.string().regex(/^[0-9a-f]{64}$/)]);

export const stepName = z
  .string()
  .regex(
    /^[a-z][a-z0-9_-]{0,59}$/,
    'expected a lower case letter, then lower case letters, digits, - or _ (at most 60)',
  );
/** Names of inputs. */
const partName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9._-]{0,59}$/, 'expected a letter, then letters, digits, . _ or - (at most 60)');
/** A step, or a unit of one such as `fit:12`. */
export const stepOrUnit = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,59}(?::\d{1,5})?$/, 'expected a step, or a unit as in fit:12');
const paramName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,59}$/, 'expected a letter, then letters, digits, _ or - (at most 60)');

const paramDeclaration = z
  .strictObject({
    type: z.enum(PARAM_TYPES),
    default: z.union([z.string(), z.number(), z.boolean()]).optional(),
    description: z.string().max(500).optional(),
  })
  .superRefine((declaration, issues) => {
    if (declaration.default === undefined) return;
    const checked = checkParam(declaration.type, declaration.default);
    if ('expected' in checked) {
      issues.addIssue({ code: 'custom', path: ['default'], message: `expected ${checked.expected}` });
    }
  });

const modulePath = z
  .string()
  .max(200)
  .regex(/^(?!\.\.?\/)(?:[A-Za-z0-9_.-]+\/)*[A-Za-z0-9_.-]+\.(?:ts|mts|js|mjs)$/, 'expected a path such as steps.ts')
  .refine((path) => !path.split('/').includes('..'), 'expected a path inside the bundle');

const envName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, 'expected the name of an environment variable')
  .refine((name) => !name.toUpperCase().startsWith('KEDGE_'), 'names that begin with KEDGE_ are set by the worker');

const WORK = ['function', 'command', 'approval', 'wait', 'pipeline'] as const;
/** What only programs have. A run of another pipeline has the places and times of its own steps. */
const OF_PROGRAMS = ['env', 'runtime', 'labels', 'resources', 'pool', 'preemptible', 'within', 'backoff'] as const;

const comparable = z.union([z.string().max(1_000), z.number(), z.boolean(), z.null()]);

/** A value of the run, compared. `of` is `params.<name>`, or `<step>` or `<step>.<path>` of that step's result. */
const condition = z
  .strictObject({
    of: z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9_-]{0,59}(?:\.[A-Za-z0-9_-]{1,60}){0,10}$/, 'expected a path such as check.auc'),
    equals: comparable.optional(),
    not: comparable.optional(),
    atLeast: z.number().optional(),
    below: z.number().optional(),
  })
  .refine(
    ({ of: _of, ...rest }) => Object.values(rest).filter((value) => value !== undefined).length === 1,
    'expected exactly one of equals, not, atLeast, below',
  );
export type Condition = z.output<typeof condition>;

const unitLimits = {
  /** How many units go on at a time that are runs of a pipeline; 20 if nothing is said. */
  concurrency: z.number().int().min(1).max(1_000).optional(),
  /** When a unit fails, the others go on (`continue`); or those that wait, and runs, are cancelled (`stop`). */
  failures: z.enum(['continue', 'stop']).optional(),
};

const workerLabels = z.record(z.string().min(1).max(60), z.string().max(100));

const stepSpec = z
  .strictObject({
    name: stepName,
    /** An exported function of a module of the code bundle. Either this or `command`. */
    function: z
      .strictObject({
        module: modulePath,
        export: z.string().regex(/^[A-Za-z_$][A-Za-z0-9_$]{0,99}$/, 'expected the name of an export'),
      })
      .optional(),
    /** A program and its arguments, never given to a shell. */
    command: z.array(z.string().min(1).max(4_096)).min(1).max(100).optional(),
    /** Files that lie where the command starts: `{ 'train.py': './train.py' }`, beside the project file. */
    files: stepFiles.optional(),
    /** What else a program depends on: `{ interpreter: 'Python 3.11' }`. Another text is other work to the cache. */
    runtime: stepRuntime.optional(),
    needs: z.array(stepName).max(STEPS_MAX).default([]),
    /** Values for the step: literals, or texts with `${params.x}` in them. */
    params: z.record(paramName, jsonValue).default({}),
    /**
     * Names of the step's inputs to `<step>.<output>`, `result:<step>.<path>`, `input:<name>` of the pipeline, or to
     * something outside: `dataset:flights`. Those of a step that runs a pipeline are what that is given.
     */
    inputs: z.record(partName, z.string().max(130)).default({}),
    /** Files that it writes, and directories, whose names end with a slash. Inputs name both without it. */
    outputs: z.array(outputDeclaration).max(50).default([]),
    /** Whether its work is taken from an earlier step with the same key; `maxAge` says how old that may be. */
    cache: z.union([z.boolean(), z.strictObject({ maxAge: durationUpTo('365d') })]).default(true),
    /** `false` says that equal inputs may give other outputs: a reproduction then reports them and does not fail. */
    deterministic: z.boolean().optional(),
    /** After how many failures it is tried again: a number, or numbers by how it failed. */
    retries: retriesSpec,
    backoff: backoffSpec.optional(),
    timeout: duration.default('30m'),
    env: z.record(envName, z.string().max(10_000)).default({}),
    /** What a worker's labels must contain for it to get the step. */
    labels: workerLabels.default({}),
    /**
     * The step first asks for workers with the labels `on` as well, which may be taken away at any time. Once it was
     * lost or given back `losses` times, it asks for those with the labels `after` instead.
     */
    preemptible: z
      .strictObject({
        on: workerLabels,
        after: workerLabels.default({}),
        losses: z.number().int().min(1).max(20).default(2),
      })
      .optional(),
    /** How long the step may take over all its attempts, from the start of the first. */
    within: duration.optional(),
    /** What of a worker the step takes while it runs: `cpu` (cores), `memoryGiB`, `gpu`, or a name of your own. */
    resources: z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,39}$/), z.number().positive().max(1e9)).default({}),
    /** A pool whose slots the step takes while it runs, wherever that is. */
    pool: z.strictObject({ name: nameSchema, slots: z.number().int().min(1).max(10_000).default(1) }).optional(),
    /** Runs only when all other steps are over and one of them failed. It needs no other step. */
    onFailure: z.boolean().default(false),
    /** Instead of a program: waits until a person approves or rejects. */
    approval: z
      .strictObject({
        message: z.string().max(1_000).default(''),
        /** Whoever started the run does not decide. */
        independent: z.boolean().default(false),
        /** Nobody decided for so long: rejected. */
        within: duration.default('14d'),
      })
      .optional(),
    /** Instead of a program: waits so long, until a time, or for an event. */
    wait: waitSpec.optional(),
    /**
     * Instead of a program: runs another pipeline with `params` as its parameters, and ends as that run does. `outputs`
     * name what of it the step has, as `<step>.<output>`; its result has those of its steps, by their names.
     */
    pipeline: nameSchema.optional(),
    /**
     * Divides the step into units that run independently, one for each item: of a list, of a count, of the result of a
     * needed step, at `<step>.<path>`, or for each partition of a span. In `params`, `${item}`, `${item.<path>}` and
     * `${index}` stand for the item. A unit of a step that runs a pipeline is a run of it.
     */
    map: z
      .union(
        [
          z.strictObject({ items: z.array(jsonValue).max(10_000), ...unitLimits }),
          z.strictObject({ count: z.union([z.number().int().min(0).max(10_000), z.string().max(200)]), ...unitLimits }),
          z.strictObject({ result: z.string().max(200), ...unitLimits }),
          z.strictObject({ partitions: partitionSpan, ...unitLimits }),
        ],
        { error: unionWords(['items', 'count', 'result', 'partitions']) },
      )
      .optional(),
    /** The step runs only if this holds, and is skipped with all that needs it otherwise. */
    when: condition.optional(),
  })
  .superRefine((step, issues) => {
    const refuse = (path: string, message: string): void => issues.addIssue({ code: 'custom', path: [path], message });
    if (WORK.filter((kind) => step[kind] !== undefined).length !== 1) {
      refuse('function', `expected exactly one of ${WORK.join(', ')}`);
    }
    if ((step.approval || step.wait) && step.outputs.length > 0) refuse('outputs', 'a step that waits writes none');
    if (step.files && !step.command) refuse('files', 'only commands have files: a function has the code bundle');
    if ((step.approval || step.wait) && step.runtime) refuse('runtime', 'only programs have it');
    if ((step.approval || step.wait) && step.backoff) refuse('backoff', 'only programs are tried again');
    if (typeof step.cache === 'object' && !step.function && !step.command) {
      refuse('cache', 'only the work of programs has an age: declare maxAge for them');
    }
    if ((step.approval || step.wait) && (step.preemptible || step.within)) {
      refuse(step.within ? 'within' : 'preemptible', 'only programs are tried');
    }
    for (const part of step.pipeline === undefined ? [] : OF_PROGRAMS) {
      const given = step[part];
      if (given === undefined || Object.keys(given).length === 0) continue;
      refuse(part, 'only programs have it: declare it for the steps of the pipeline that this one runs');
    }
    if (step.map && (step.approval || step.wait || step.onFailure))
      refuse('map', 'only programs and runs of pipelines are divided into units');
    if (step.map?.concurrency !== undefined && step.pipeline === undefined) {
      refuse('map', 'concurrency is for runs of pipelines: programs go on as workers and a pool have slots');
    }
    if (step.onFailure && (step.needs.length > 0 || Object.keys(step.inputs).length > 0)) {
      refuse('onFailure', 'such a step waits for all others: it has no needs and no inputs');
    }
    for (const part of ['inputs', 'outputs', 'params'] as const) {
      const names = part === 'outputs' ? step.outputs.map(outputName) : Object.keys(step[part]);
      const clash = firstClash(names);
      if (clash) refuse(part, `'${clash[0]}' and '${clash[1]}' have the same name in the environment`);
    }
    if (JSON.stringify(step.params).length > PARAMS_BYTES_MAX) {
      refuse('params', `is larger than ${PARAMS_BYTES_MAX} characters of JSON`);
    }
    if (Object.keys(step.env).length > 100) refuse('env', 'has more than 100 variables');
  });

export const priority = z.number().int().min(-100).max(100).default(0);

/** The spec of the resource kind `pool`: slots that steps of any pipeline share. */
export const poolSpec = z.strictObject({
  description: z.string().max(2_000).default(''),
  slots: z.number().int().min(1).max(1_000_000),
});
export type PoolSpec = z.output<typeof poolSpec>;

/** The spec of the resource kind `quota`, which has the name of its project. */
export const quotaSpec = z.strictObject({
  description: z.string().max(2_000).default(''),
  /** How many steps of the runs of the project run at a time, on all workers together. */
  steps: z.number().int().min(0).max(1_000_000),
});
export type QuotaSpec = z.output<typeof quotaSpec>;

/** The spec of the resource kind `pipeline`. */
export const pipelineSpec = z
  .strictObject({
    description: z.string().max(2_000).default(''),
    params: z.record(paramName, paramDeclaration).default({}),
    /** What it is given beside parameters; its steps read it as `input:<name>`. */
    inputs: z.record(partName, inputDeclaration).optional(),
    /** The code bundle that holds the modules of the `function` steps. */
    code: digestSchema.optional(),
    steps: z.array(stepSpec).min(1).max(STEPS_MAX),
    /** Runs of higher priority are served first. */
    priority,
    /** How many runs may go on at a time; further ones are queued. */
    concurrency: z
      .strictObject({
        runs: z.number().int().min(1).max(10_000).optional(),
        /** Runs whose key is the same text, such as `${params.customer}`, are counted together. */
        key: z.string().min(1).max(500).optional(),
        runsOfKey: z.number().int().min(1).max(10_000).default(1),
      })
      .optional(),
    /** Into which parts its work falls, for backfills and for the view of what is missing. */
    partitions: partitionsSpec.optional(),
    /** A run that goes on for longer is cancelled. */
    timeout: duration.optional(),
    /** A run that goes on for longer, from when it was let in, is told to be late. It goes on. */
    expected: duration.optional(),
    /** The same, from when it was asked for: also what waits for its turn is late. */
    sla: duration.optional(),
    /** Where this declaration comes from; `kedge apply` fills it in. */
    source: sourceSpec.optional(),
  })
  .superRefine((pipeline, issues) => {
    const partition = pipeline.partitions && pipeline.params[pipeline.partitions.param];
    if (pipeline.partitions && partition?.type !== 'string' && partition?.type !== 'timestamp') {
      const message = 'expected the name of a parameter of the type string or timestamp';
      issues.addIssue({ code: 'custom', path: ['partitions', 'param'], message });
    }
    for (const issue of graphIssues(pipeline.steps)) {
      issues.addIssue({ code: 'custom', path: ['steps', ...issue.path], message: issue.message });
    }
    for (const [index, step] of pipeline.steps.entries()) {
      const mapped = step.map && 'result' in step.map ? step.map.result.split('.')[0] : undefined;
      if (mapped !== undefined && !upstreamOf(step).includes(mapped)) {
        const message = `'${mapped}' is no step that this one needs`;
        issues.addIssue({ code: 'custom', path: ['steps', index, 'map', 'result'], message });
      }
      const source = step.when?.of.split('.')[0];
      const unknownSource = source !== undefined && source !== 'params' && !upstreamOf(step).includes(source);
      if (unknownSource) {
        const message = `'${source}' is neither params nor a step that this one needs`;
        issues.addIssue({ code: 'custom', path: ['steps', index, 'when', 'of'], message });
      }
      if (step.function && pipeline.code === undefined) {
        const message = 'needs the code bundle of the pipeline: set code';
        issues.addIssue({ code: 'custom', path: ['steps', index, 'function'], message });
      }
      for (const [name, text] of Object.entries(step.inputs)) {
        const found = parseSource(text);
        if (found?.kind !== 'input' || Object.hasOwn(pipeline.inputs ?? {}, found.name)) continue;
        const known = Object.keys(pipeline.inputs ?? {}).join(', ') || 'none';
        const message = `the pipeline declares no input '${found.name}' (it declares: ${known})`;
        issues.addIssue({ code: 'custom', path: ['steps', index, 'inputs', name], message });
      }
      const filled = Object.entries(step.params).map(([name, value]) => [['params', name], value] as const);
      for (const [path, value] of [...filled, [['map'], step.map], [['wait'], step.wait]] as const) {
        const unknown = referencedParams(value).find((param) => !Object.hasOwn(pipeline.params, param));
        if (unknown === undefined) continue;
        const message = `the pipeline declares no parameter '${unknown}'`;
        issues.addIssue({ code: 'custom', path: ['steps', index, ...path], message });
      }
    }
  });

export type PipelineSpec = z.output<typeof pipelineSpec>;
export type StepSpec = PipelineSpec['steps'][number];

/** The part of an environment variable's name that stands for a parameter, input or output. */
export function envPart(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, '_');
}

function firstClash(names: readonly string[]): readonly [string, string] | undefined {
  const seen = new Map<string, string>();
  for (const name of names) {
    const other = seen.get(envPart(name));
    if (other !== undefined) return [other, name];
    seen.set(envPart(name), name);
  }
  return undefined;
}
