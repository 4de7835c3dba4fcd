import { outputName } from './outputs.ts';
import { parseSource, stepRead } from './sources.ts';

/** The parts of a declared step that make the graph. */
export interface GraphStep {
  readonly name: string;
  readonly needs: readonly string[];
  /** Name of the input to where it comes from, see `Source`. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: readonly string[];
  readonly onFailure?: boolean;
}

/** A problem of the graph and where it is, as a path below `steps`. */
export interface GraphIssue {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What a step waits for: its `needs` and the steps whose outputs or results it reads, each once. */
export function upstreamOf(step: GraphStep): string[] {
  const fromInputs = Object.values(step.inputs).flatMap((text) => stepRead(text) ?? []);
  return [...new Set([...step.needs, ...fromInputs])];
}

/** Everything wrong with the graph: duplicate names, unknown references, cycles. */
export function graphIssues(steps: readonly GraphStep[]): GraphIssue[] {
  const byName = new Map(steps.map((step) => [step.name, step]));
  const issues: GraphIssue[] = [];
  const seen = new Set<string>();
  for (const [index, step] of steps.entries()) {
    if (seen.has(step.name)) issues.push({ path: [index, 'name'], message: `'${step.name}' is declared twice` });
    seen.add(step.name);
    issues.push(...referenceIssues(step, index, byName));
  }
  return issues.length > 0 ? issues : cycleIssues(steps);
}

function referenceIssues(step: GraphStep, index: number, byName: ReadonlyMap<string, GraphStep>): GraphIssue[] {
  const issues: GraphIssue[] = [];
  for (const [i, name] of step.needs.entries()) {
    const needed = byName.get(name);
    const message = needed ? `step '${name}' runs only after a failure` : `there is no step '${name}'`;
    if (!needed || needed.onFailure) issues.push({ path: [index, 'needs', i], message });
  }
  for (const [name, text] of Object.entries(step.inputs)) {
    const message = sourceProblem(text, byName);
    if (message !== undefined) issues.push({ path: [index, 'inputs', name], message });
  }
  return issues;
}

function sourceProblem(text: string, byName: ReadonlyMap<string, GraphStep>): string | undefined {
  const found = parseSource(text);
  if (!found) {
    return `'${text}' is neither <step>.<output>, result:<step>, input:<name> nor <kind>:<name>, as in dataset:flights`;
  }
  if (found.kind !== 'output' && found.kind !== 'result') return undefined;
  const step = byName.get(found.step);
  if (!step) return `there is no step '${found.step}'`;
  if (step.onFailure) return `step '${found.step}' runs only after a failure`;
  const outputs = step.outputs.map(outputName);
  if (found.kind === 'result' || outputs.includes(found.output)) return undefined;
  const known = outputs.join(', ') || 'none';
  return `step '${found.step}' declares no output '${found.output}' (it declares: ${known})`;
}

/** One issue for the first cycle that a depth-first search meets, naming its members in order. */
function cycleIssues(steps: readonly GraphStep[]): GraphIssue[] {
  const upstream = new Map(steps.map((step) => [step.name, upstreamOf(step)]));
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (name: string): string[] | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
    if (done.has(name)) return undefined;
    path.push(name);
    for (const next of upstream.get(name) ?? []) {
      const cycle = visit(next);
      if (cycle) return cycle;
    }
    path.pop();
    done.add(name);
    return undefined;
  };
  for (const [index, step] of steps.entries()) {
    const cycle = visit(step.name);
    if (cycle) return [{ path: [index, 'needs'], message: `the steps wait for each other: ${cycle.join(' -> ')}` }];
  }
  return [];
}
