import type { Json } from '#core/json';
import { canonicalJson } from '#core/json';
import { outputName, type PipelineSpec, type RunDetail } from '#pipelines';
import { type Expected, missingIn, type OutputContract, type TestCase } from './case.ts';
import type { Derived } from './derive.ts';
import type { TestOutput, TestStep } from './result.ts';
import { contractProblem, type Shape, shapeOf, shapeProblem } from './shape.ts';

/** The shapes of what cases gave and of what steps wrote so far, by `<pipeline>/<step>.<output>`. */
export interface Written {
  readonly given: Map<string, { readonly shape: Shape; readonly test: string }>;
  readonly made: Map<string, { readonly shape: Shape; readonly test: string }>;
}

export interface RunToCheck {
  readonly name: string;
  readonly test: TestCase;
  readonly detail: RunDetail;
  readonly derived: Derived;
  /** The content of what was given, by `<step>.<output>`. */
  readonly fixtures: ReadonlyMap<string, Uint8Array>;
  readonly contracts: Readonly<Record<string, OutputContract>>;
  readonly declared: PipelineSpec;
  readonly steps: Readonly<Record<string, TestStep>>;
  readonly undeclared: ReadonlyMap<string, readonly string[]>;
  readonly written: Written;
}

/** What is wrong with a run beside how it ended. */
export function checkRun(run: RunToCheck): string[] {
  return [...undeclaredOutputs(run), ...brokenContracts(run), ...unlikeFixtures(run), ...unmet(run.test.expect, run)];
}

function undeclaredOutputs({ detail, declared, derived, undeclared }: RunToCheck): string[] {
  return detail.steps.flatMap(({ step, attempts }) => {
    const outputs = (declared.steps.find(({ name }) => name === step)?.outputs ?? []).map(outputName);
    if (!derived.runs.includes(step)) return [];
    const found = new Set(attempts.flatMap(({ attempt }) => undeclared.get(attempt) ?? []));
    return [...found]
      .filter((file) => !outputs.includes(file))
      .map(
        (file) =>
          `step '${step}' wrote '${file}' beside its outputs, where it is lost: declare it, or write it elsewhere`,
      );
  });
}

/** Outputs and fixtures alike: a fixture that breaks the contract would test readers on what they never get. */
function brokenContracts({ name: pipeline, contracts, steps, fixtures, declared }: RunToCheck): string[] {
  return Object.entries(contracts).flatMap(([key, contract]) => {
    const slash = key.indexOf('/');
    if (slash >= 0 && key.slice(0, slash) !== pipeline) return [];
    const of = key.slice(slash + 1);
    const [step = '', output = ''] = [of.slice(0, of.indexOf('.')), of.slice(of.indexOf('.') + 1)];
    const known = declared.steps.find(({ name }) => name === step)?.outputs.map(outputName);
    if (!known?.includes(output)) {
      return [`contracts: '${of}' is no output of pipeline '${pipeline}': correct its name`];
    }
    const given = fixtures.get(of);
    const content = given ?? steps[step]?.outputs[output]?.content;
    const problem = content && contractProblem(contract, output, content);
    if (!problem) return [];
    const readers = declared.steps.filter(({ inputs }) => Object.values(inputs).includes(of)).map(({ name }) => name);
    const who = given ? `what is given for ${of}` : `what step '${step}' wrote to ${of}`;
    const whom = readers.length > 0 ? `, which ${readers.join(', ')} reads` : '';
    return [`${who} breaks its contract${whom}: ${problem}`];
  });
}

/** A fixture stands for what a step writes, so it looks like that, in whichever case the step really ran. */
function unlikeFixtures({ name: pipeline, test, steps, fixtures, written, derived }: RunToCheck): string[] {
  const problems: string[] = [];
  const told = (key: string, given: { shape: Shape; test: string }, made: { shape: Shape; test: string }): void => {
    const problem =
      given.shape.kind === made.shape.kind ? shapeProblem(given.shape, made.shape) : 'it is of another kind';
    if (!problem) return;
    const of = key.slice(key.indexOf('/') + 1);
    problems.push(
      `what case '${given.test}' gives for ${of} is not like what the step wrote in '${made.test}': ${problem}`,
    );
  };
  for (const [of, content] of fixtures) {
    const shape = shapeOf(of, content);
    const key = `${pipeline}/${of}`;
    const made = written.made.get(key);
    if (!shape) continue;
    written.given.set(key, { shape, test: test.name });
    if (made) told(key, { shape, test: test.name }, made);
  }
  for (const step of derived.runs) {
    for (const [output, { content }] of Object.entries(steps[step]?.outputs ?? {})) {
      const shape = shapeOf(output, content);
      const key = `${pipeline}/${step}.${output}`;
      const given = written.given.get(key);
      if (!shape) continue;
      if (!written.made.has(key) && given) told(key, given, { shape, test: test.name });
      written.made.set(key, { shape, test: test.name });
    }
  }
  return problems;
}

function unmet(expected: Expected, { detail, steps }: RunToCheck): string[] {
  const problems: string[] = [];
  if (detail.status !== expected.status) {
    problems.push(`the run ${detail.status}, expected that it ${expected.status}`);
  }
  for (const [name, wanted] of Object.entries(expected.steps)) {
    const step = steps[name];
    if (!step) {
      problems.push(`expect: this case has no step '${name}': run it, or do not expect anything of it`);
      continue;
    }
    if (wanted.status !== undefined && step.status !== wanted.status) {
      problems.push(`step '${name}' is ${step.status}, expected ${wanted.status}`);
    }
    if (wanted.reason !== undefined && !step.reason?.includes(wanted.reason)) {
      problems.push(`step '${name}' gives the reason ${JSON.stringify(step.reason)}, expected ${wanted.reason} in it`);
    }
    const difference = wanted.result === undefined ? undefined : missingIn(wanted.result, step.result);
    if (difference) problems.push(`the result of step '${name}' is not as expected: ${difference}`);
    for (const [output, content] of Object.entries(wanted.outputs)) {
      const problem = outputProblem(content, step.outputs[output]);
      if (problem) problems.push(`${name}.${output} is not as expected: ${problem}`);
    }
  }
  return problems;
}

function outputProblem(
  wanted: Expected['steps'][string]['outputs'][string],
  found: TestOutput | undefined,
): string | undefined {
  if (!found) return 'it was not written';
  const shown = JSON.stringify(found.text().slice(0, 200));
  if (wanted.digest !== undefined && wanted.digest !== found.digest) return `its digest is ${found.digest}`;
  if (wanted.text !== undefined && wanted.text !== found.text()) return `it is ${shown}`;
  if (wanted.contains !== undefined && !found.text().includes(wanted.contains)) {
    return `it has no ${JSON.stringify(wanted.contains)} in it: ${shown}`;
  }
  if (wanted.json === undefined) return undefined;
  try {
    const json = found.json() as Json;
    return canonicalJson(json) === canonicalJson(wanted.json)
      ? undefined
      : (missingIn(wanted.json, json) ?? `it is ${shown}`);
  } catch {
    return `it is not JSON: ${shown}`;
  }
}
