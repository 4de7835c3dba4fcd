import type { Random } from '#core/random';

/** What users do in a world: which pipelines they declare, and when they start and cancel runs. */
export interface Workload {
  readonly pipelines: readonly Declared[];
  readonly starts: readonly { readonly atMs: number; readonly pipeline: string; readonly key: string }[];
  /** Of the start with this key, so long after it. */
  readonly cancels: readonly { readonly afterMs: number; readonly key: string }[];
  /** A pipeline that is declared anew, with other steps, while its runs go on. */
  readonly again: { readonly atMs: number; readonly pipeline: Declared } | undefined;
}

export interface Declared {
  readonly name: string;
  readonly inputs?: Readonly<Record<string, { readonly type: string }>>;
  readonly steps: readonly Step[];
}

export interface Step {
  readonly name: string;
  readonly command?: readonly string[];
  /** Instead of a command: the pipeline that it runs. */
  readonly pipeline?: string;
  readonly needs: readonly string[];
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: readonly string[];
  readonly cache: boolean;
  readonly retries: number;
  readonly timeout?: string;
  readonly within?: string;
  readonly preemptible?: { readonly on: Labels; readonly after: Labels; readonly losses: number };
  readonly map?: { readonly items: readonly number[]; readonly concurrency?: number; readonly failures?: string };
}

type Labels = Readonly<Record<string, string>>;
/** Some workers have one of these labels, and one that comes late has both. */
export const SPOT: Labels = { spot: 'yes' };
export const ON_DEMAND: Labels = { demand: 'yes' };

type Shape = 'chain' | 'fan-out' | 'diamond' | 'random';
const SHAPES: readonly Shape[] = ['chain', 'fan-out', 'diamond', 'random'];
const INPUT_NAMES = ['a', 'b', 'c'] as const;

export function drawWorkload(random: Random, chaosMs: number): Workload {
  const innermost = taking(random, { name: 'innermost', steps: drawSteps(random, 1 + random.int(2)) });
  const innerSteps = nest(random, innermost, drawSteps(random, 1 + random.int(3)));
  const inner = taking(random, { name: 'inner', steps: innerSteps });
  const pipelines: Declared[] = [
    innermost,
    inner,
    { name: 'leader', steps: drawSteps(random, 1 + random.int(3)) },
    { name: 'follower', steps: drawSteps(random, 1 + random.int(2)) },
    { name: 'main', steps: nest(random, inner, drawSteps(random, 2 + random.int(6))) },
  ];
  const count = 2 + random.int(3);
  const starts = Array.from({ length: count }, (_, i) => ({
    // Twins start close together as often as apart.
    atMs: random.next() < 0.5 ? i * 20 : random.int(chaosMs),
    pipeline: random.next() < 0.3 ? 'leader' : 'main',
    key: `start-${i}`,
  }));
  const cancels = starts
    .filter(() => random.next() < 0.3)
    .map(({ key }) => ({ key, afterMs: random.int(Math.floor(chaosMs / 2)) }));
  const again = random.next() < 0.3 ? { atMs: random.int(chaosMs), pipeline: drawAgain(random, inner) } : undefined;
  return { pipelines, starts, cancels, again };
}

/** `main` with other steps, or what lies in it with other programs: what others take of that is still there. */
function drawAgain(random: Random, inner: Declared): Declared {
  const other = (step: Step): Step => (step.command ? { ...step, command: [...step.command, 'again'] } : step);
  if (random.next() < 0.3) return { ...inner, steps: [...inner.steps.map(other), ...drawSteps(random, 1).map(last)] };
  return { name: 'main', steps: nest(random, inner, drawSteps(random, 2 + random.int(5))) };
}

/** In half of the cases, a pipeline that is given two files, which some of its programs read. */
function taking(random: Random, { name, steps }: Declared): Declared {
  if (random.next() < 0.5) return { name, steps };
  const reading = steps.map((step): Step => {
    if (!step.command || random.next() < 0.3) return step;
    return { ...step, inputs: { ...step.inputs, g: 'input:given', h: 'input:held' } };
  });
  return { name, inputs: { given: { type: 'file' }, held: { type: 'file' } }, steps: reading };
}

const last = (step: Step): Step => ({ ...step, name: 'last' });

/** In half of the cases, one or two steps more that run another pipeline, and one that reads what it wrote. */
function nest(random: Random, inner: Declared, steps: Step[]): Step[] {
  if (random.next() < 0.5) return steps;
  const written = inner.steps.flatMap(({ name, outputs, map }) =>
    map ? [] : outputs.map((output) => `${name}.${output}`),
  );
  const common = { inputs: {}, outputs: [], retries: 0 };
  // What the pipeline is given, some step before has written.
  const writers = steps.map((step, i) => (i === 0 && inner.inputs ? { ...step, outputs: ['out', 'side'] } : step));
  const first = writers[0]!;
  const handed = inner.inputs ? { given: `${first.name}.out`, held: `${first.name}.side` } : {};
  const runs = Array.from({ length: 1 + random.int(2) }, (_, i): Step => {
    const before = steps[random.int(steps.length)]!;
    const needs = random.next() < 0.6 ? [before.name] : [];
    const outputs = random.next() < 0.7 ? written.slice(0, 1) : [];
    const cache = random.next() < 0.8;
    const map = random.next() < 0.4 ? { map: drawMap(random) } : {};
    return { ...common, name: `n${i}`, pipeline: inner.name, needs, inputs: handed, outputs, cache, ...map };
  });
  const [source] = runs;
  const output = source?.outputs[0];
  const command = ['program', 'reader', ...(random.next() < 0.5 ? ['own'] : [])];
  const inputs = output === undefined ? {} : { a: `n0.${output}` };
  const reader = { ...common, name: 'reader', command, inputs, needs: ['n0'], cache: false, timeout: '12s' };
  return [...writers, ...runs, reader];
}

function drawMap(random: Random): NonNullable<Step['map']> {
  const items = Array.from({ length: random.int(5) }, (_, i) => i);
  return { items, concurrency: 1 + random.int(3), failures: random.next() < 0.5 ? 'stop' : 'continue' };
}

/** A graph of `count` steps, each needing only earlier ones. */
export function drawSteps(random: Random, count: number): Step[] {
  const shape = SHAPES[random.int(SHAPES.length)]!;
  const steps: Step[] = [];
  for (let i = 0; i < count; i++) {
    const upstream = upstreamOf(shape, i, { count, random });
    steps.push(drawStep(random, i, steps, upstream));
  }
  return steps;
}

function upstreamOf(shape: Shape, i: number, { count, random }: { count: number; random: Random }): number[] {
  if (i === 0) return [];
  const isLast = i === count - 1;
  if (shape === 'chain') return [i - 1];
  if (shape === 'fan-out') return [0];
  if (shape === 'diamond') return isLast ? Array.from({ length: i }, (_, n) => n).slice(1, 4) : [0];
  return Array.from({ length: i }, (_, n) => n)
    .filter(() => random.next() < 0.4)
    .slice(0, INPUT_NAMES.length);
}

function drawStep(random: Random, i: number, earlier: readonly Step[], upstream: readonly number[]): Step {
  const cache = random.next() < 0.6;
  const sources = upstream.map((n) => earlier[n]!);
  const read = sources.filter((source) => source.outputs.length > 0 && random.next() < 0.8);
  const inputs = read.map((source, n) => [INPUT_NAMES[n]!, `${source.name}.${source.outputs[0]}`] as const);
  return {
    name: `s${i}`,
    // Few programs, so that different steps have the same work; one that is not cached does its own each time.
    command: cache ? ['program', `p${random.int(3)}`] : ['program', `p${i}`, 'own'],
    needs: sources.filter((source) => !read.includes(source)).map((source) => source.name),
    inputs: Object.fromEntries(inputs),
    outputs: ['out', 'side'].slice(0, random.int(3)),
    cache,
    retries: random.int(3),
    timeout: '12s',
    ...(random.next() < 0.2 ? { within: '25s' } : {}),
    ...(random.next() < 0.3 ? { preemptible: { on: SPOT, after: ON_DEMAND, losses: 1 + random.int(3) } } : {}),
  };
}
