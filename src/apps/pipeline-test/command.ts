import { messageOf } from '#core/errors';
import { type CommandOptions, printJson } from '../cli/commands/connected.ts';
import { paramsOf } from '../cli/commands/runs.ts';
import { connectFrom } from '../cli/connection.ts';
import { UsageError } from '../cli/failure.ts';
import { readProjectFile } from '../cli/project-file.ts';
import { formatTable } from '../cli/table.ts';
import { type DeclaredPipeline, declaredPipeline } from './declared.ts';
import { derive } from './derive.ts';
import { PipelineTestError } from './fixtures.ts';
import { caseFileHint, type LoadedCases, loadCases } from './load.ts';
import { openPipelineTest, type PipelineTest } from './open.ts';

type Case = LoadedCases['cases'][number];

/** What became of a case. */
interface Told {
  readonly name: string;
  readonly passed: boolean;
  readonly problems: readonly string[];
}

/** Runs the cases of a project and prints what became of each; the exit code is 1 when one failed. */
export async function runCases(file: string, options: CommandOptions): Promise<void> {
  const loaded = await loadCases(file, options['cases'] as string | undefined);
  if (!loaded) throw new UsageError(caseFileHint(file));
  const cases = chosen(loaded, options);
  const pipelines = await openPipelineTest(file);
  const told: Told[] = [];
  try {
    for (const test of cases) {
      const found = await runCase(pipelines, test, loaded);
      told.push(found);
      if (!options.json) process.stdout.write(wordsOf(found));
    }
  } finally {
    await pipelines.close();
  }
  const failed = told.filter(({ passed }) => !passed).length;
  if (options.json) printJson(told);
  else process.stdout.write(`${told.length - failed} passed, ${failed} failed\n`);
  if (failed > 0) process.exitCode = 1;
}

function chosen({ cases, path }: LoadedCases, options: CommandOptions): readonly Case[] {
  const wanted = options['case'] as readonly string[] | undefined;
  const found = wanted ? cases.filter(({ name }) => wanted.some((part) => name.includes(part))) : cases;
  if (found.length > 0) return found;
  throw new UsageError(
    `no case of ${path} has ${wanted?.join(' or ')} in its name: ${cases.map(({ name }) => name).join(', ')}`,
  );
}

async function runCase(pipelines: PipelineTest, test: Case, loaded: LoadedCases): Promise<Told> {
  const { name } = test;
  try {
    const run = await pipelines.run(test, { contracts: loaded.contracts, folder: loaded.folder });
    const asExpected = run.status === test.expect.status;
    const problems = asExpected ? run.problems : run.explain().split('\n');
    return { name, passed: run.problems.length === 0, problems };
  } catch (error) {
    if (!(error instanceof PipelineTestError)) throw error;
    return { name, passed: false, problems: messageOf(error).split('\n') };
  }
}

function wordsOf({ name, passed, problems }: Told): string {
  return `${passed ? '✔' : '✖'} ${name}\n${problems.map((problem) => `    ${problem}\n`).join('')}`;
}

/** Prints what a run of the pipeline would do, and what each case would run. Nothing is started. */
export async function dryRun(file: string, options: CommandOptions): Promise<void> {
  const project = await readProjectFile(file);
  const declared = await declaredPipeline(project, options['pipeline'] as string | undefined);
  const plan = await planOf(declared, options);
  const loaded = await loadCases(file, options['cases'] as string | undefined);
  const cases = (loaded ? chosen(loaded, options) : [])
    .filter(({ pipeline }) => pipeline === undefined || pipeline === declared.name)
    .map((test) => {
      const { runs, given, problems } = derive(declared.spec, test, () => '');
      return { name: test.name, runs, given: Object.keys(given), problems };
    });
  if (cases.some(({ problems }) => problems.length > 0)) process.exitCode = 1;
  if (options.json) return printJson({ ...plan, cases });
  const rows = plan.steps.map(({ step, outcome, reason }) => [step, outcome, reason]);
  process.stdout.write(`${formatTable(['step', 'plan', 'why'], rows)}\n`);
  for (const { step, differences } of plan.steps) {
    for (const { ingredient, before, now } of differences) {
      process.stdout.write(`${step}: ${ingredient} was ${short(before)}, is ${short(now)}\n`);
    }
  }
  if (plan.note) process.stdout.write(`${plan.note}\n`);
  for (const { name, runs, given, problems } of cases) {
    const stands = given.length > 0 ? `; given: ${given.join(', ')}` : '';
    process.stdout.write(`case '${name}' runs: ${runs.join(', ')}${stands}\n`);
    for (const problem of problems) process.stdout.write(`    ${problem}\n`);
  }
}

interface ShownPlan {
  readonly pipeline: string;
  readonly steps: readonly {
    readonly step: string;
    readonly outcome: string;
    readonly reason: string;
    readonly differences: readonly { readonly ingredient: string; readonly before: unknown; readonly now: unknown }[];
  }[];
  readonly note?: string;
}

/** The plan of the control plane; where none answers, the order of the steps without what is cached. */
async function planOf({ name, spec }: DeclaredPipeline, options: CommandOptions): Promise<ShownPlan> {
  const params = paramsOf((options['param'] as string[] | undefined) ?? [], spec.params);
  const kedge = connectFrom(options);
  try {
    return await kedge.plans.planPipelineRun({ params: { pipeline: name }, body: { spec: { ...spec }, params } });
  } catch (error) {
    if ((error as { cause?: { code?: string } }).cause?.code !== 'ECONNREFUSED') throw error;
    const steps = spec.steps.map(({ name: step, needs, inputs }) => {
      const after = [...new Set([...needs, ...Object.values(inputs)])].join(', ');
      return { step, outcome: 'run', reason: after === '' ? 'needs nothing' : `after ${after}`, differences: [] };
    });
    const note = `what is cached is not known: no control plane answers at ${kedge.url} (give --url)`;
    return { pipeline: name, steps, note };
  }
}

function short(value: unknown): string {
  return value === null ? 'nothing' : JSON.stringify(value).slice(0, 60);
}
