import type { PipelineSpec } from '#pipelines';
import { envPart, outputName, parseReference, parseSource } from '#pipelines';
import type { TestCase } from './case.ts';
import { withGivenInputs } from './given-inputs.ts';

type Step = PipelineSpec['steps'][number];

/** The pipeline as a case runs it, and what is in the way of that, in words that say what to do. */
export interface Derived {
  readonly spec: Record<string, unknown>;
  /** Steps that are run, not stood in for. */
  readonly runs: readonly string[];
  /** Outputs that fixtures stand for, as they are declared, by step. */
  readonly given: Readonly<Record<string, readonly string[]>>;
  /** What the case gives, by output; for an input of the pipeline, by that of the step which stands for the giver. */
  readonly fixtures: TestCase['given'];
  /** References that have to be there when the run starts. */
  readonly references: readonly string[];
  readonly problems: readonly string[];
}

/** Copies fixtures to where a step would have written its outputs. It is told which by a file. */
const STAND_IN = [
  "const fs = require('node:fs');",
  "const { outputs, result } = JSON.parse(fs.readFileSync(process.argv[1], 'utf8'));",
  'for (const [name, from] of outputs) fs.cpSync(from, process.env[name], { recursive: true });',
  'if (result !== undefined) fs.writeFileSync(process.env.KEDGE_RESULT, JSON.stringify(result));',
].join('\n');

/**
 * The pipeline that a case runs: steps with fixtures become programs that write those, steps that are neither run nor
 * given are left out, and what would make a test wait or depend on the machine is taken away (retries, waits, labels,
 * resources, pools, limits). All else stays as declared.
 */
export function derive(
  declared: PipelineSpec,
  wanted: Pick<TestCase, 'steps' | 'given' | 'results'>,
  planOf: (step: string) => string,
): Derived {
  const { spec, given: fixtures, giver } = withGivenInputs(declared, wanted.given);
  const test = { ...wanted, given: fixtures };
  const given = givenOutputs(spec, test);
  const runs = runsOf(spec, test, given).filter((name) => name !== giver);
  const needed = spec.steps.filter(({ name }) => runs.includes(name) || given.has(name));
  const kept = new Set(needed.map(({ name }) => name));
  const around = { runs, given, kept, results: test.results };
  const problems = [...unknownNames(spec, test), ...needed.flatMap((step) => problemsOf(step, around))];
  const steps = needed.map((step) =>
    runs.includes(step.name) ? trimmed(step, kept) : standIn(step, given.get(step.name) ?? [], planOf(step.name)),
  );
  const references = [
    ...new Set(
      needed
        .filter(({ name }) => runs.includes(name))
        .flatMap(({ inputs }) => Object.values(inputs).filter((from) => parseSource(from)?.kind === 'reference')),
    ),
  ];
  const { params, code } = spec;
  return {
    spec: { params, ...(code ? { code } : {}), steps },
    runs,
    given: Object.fromEntries(given),
    fixtures,
    references,
    problems,
  };
}

/** The variable by which a stand-in finds where to write an output. */
export function outputVariable(output: string): string {
  return `KEDGE_OUTPUT_${envPart(outputName(output))}`;
}

/** Steps that something is given for, with the outputs that are. */
function givenOutputs(spec: PipelineSpec, { given, results }: Pick<TestCase, 'given' | 'results'>) {
  const found = new Map<string, string[]>();
  for (const { name, outputs } of spec.steps) {
    const these = outputs.filter((output) => given[`${name}.${outputName(output)}`] !== undefined);
    if (these.length > 0 || results[name] !== undefined) found.set(name, these);
  }
  return found;
}

function runsOf(spec: PipelineSpec, { steps }: Pick<TestCase, 'steps'>, given: ReadonlyMap<string, unknown>): string[] {
  const names = spec.steps.map(({ name }) => name);
  return names.filter((name) => (steps ? steps.includes(name) : true) && !given.has(name));
}

/** Names in the case that the pipeline does not have. */
function unknownNames(
  spec: PipelineSpec,
  { steps = [], given, results }: Pick<TestCase, 'steps' | 'given' | 'results'>,
) {
  const names = spec.steps.map(({ name }) => name);
  const outputs = spec.steps.flatMap((step) => step.outputs.map((output) => `${step.name}.${outputName(output)}`));
  const problems: string[] = [];
  for (const name of steps) {
    if (!names.includes(name)) problems.push(`steps: the pipeline has no step '${name}' (it has: ${names.join(', ')})`);
    else if (givenOutputs(spec, { given, results }).has(name)) {
      problems.push(`steps: '${name}' is to be run, but outputs or a result of it are given: take away one of the two`);
    }
  }
  for (const name of Object.keys(given)) {
    if (parseReference(name) || outputs.includes(name)) continue;
    const known = outputs.length > 0 ? outputs.join(', ') : 'none';
    problems.push(`given: no step declares the output '${name}' (declared are: ${known})`);
  }
  for (const name of Object.keys(results)) {
    if (!names.includes(name)) problems.push(`results: the pipeline has no step '${name}'`);
  }
  return problems;
}

interface Around {
  readonly runs: readonly string[];
  readonly given: ReadonlyMap<string, readonly string[]>;
  readonly kept: ReadonlySet<string>;
  readonly results: Readonly<Record<string, unknown>>;
}

/** What a step that is run reads and nothing provides. */
function problemsOf(step: Step, { runs, given, kept, results }: Around): string[] {
  if (!runs.includes(step.name)) return [];
  const looked: string[] = [];
  const problems = Object.entries(step.inputs).flatMap(([input, from]) => {
    const read = parseSource(from);
    if (read?.kind === 'result') looked.push(read.step);
    if (read?.kind !== 'output') return [];
    const [source = '', output = ''] = [from.slice(0, from.indexOf('.')), from.slice(from.indexOf('.') + 1)];
    if (runs.includes(source) || given.get(source)?.some((name) => outputName(name) === output)) return [];
    const how = `give '${from}' (a file, text, json or rows), or run '${source}' too`;
    return [`step '${step.name}' reads ${from} as '${input}', and nothing provides it: ${how}`];
  });
  if (step.pipeline !== undefined) {
    const how = `give its outputs or results instead, and test '${step.pipeline}' by a case of its own`;
    problems.push(`step '${step.name}' runs pipeline '${step.pipeline}', which is not there: ${how}`);
  }
  const sources = [
    step.when?.of.split('.')[0],
    step.map && 'result' in step.map ? step.map.result.split('.')[0] : undefined,
    ...looked,
  ];
  for (const source of sources) {
    if (source === undefined || source === 'params' || runs.includes(source) || results[source] !== undefined) continue;
    if (kept.has(source) && results[source] !== undefined) continue;
    problems.push(`step '${step.name}' looks at what '${source}' returned: say so under results, or run it too`);
  }
  return problems;
}

/** A step as it is declared, without what waits, is tried again, or asks for a certain machine. */
function trimmed(step: Step, kept: ReadonlySet<string>): Record<string, unknown> {
  const { labels: _labels, resources: _resources, pool: _pool, approval, wait, ...rest } = step;
  return {
    ...rest,
    needs: step.needs.filter((name) => kept.has(name)),
    retries: 0,
    ...(approval ? { approval: { ...approval, independent: false } } : {}),
    ...(wait ? { wait: { for: '1ms' } } : {}),
  };
}

function standIn({ name }: Step, outputs: readonly string[], plan: string): Record<string, unknown> {
  return { name, command: [process.execPath, '-e', STAND_IN, plan], outputs, retries: 0, cache: false };
}
