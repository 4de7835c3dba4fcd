import type { Random } from '#core/random';

/** What may go wrong, and how often. Probabilities are of one occasion, times are means. */
export interface Plan {
  /** A process dies at one of its awaits: between two statements, before a commit, after it. */
  readonly crashAtAwait: number;
  /** Another process, or another request of this one, comes in between at an await. */
  readonly pauseAtAwait: number;
  /** A control plane dies at any time, once in so many ms; 0 for never. */
  readonly controlPlaneLivesMs: number;
  readonly workerLivesMs: number;
  /** A worker is asked to end, once in so many ms. */
  readonly workerServesMs: number;
  readonly messageLost: number;
  readonly messageLate: number;
  readonly messageDoubled: number;
  /** What a worker says when it ends arrives again, when another has its name. */
  readonly goodbyeRepeated: number;
  /** A worker and its control plane do not hear each other for longer than a lease, once in so many ms. */
  readonly partitionEveryMs: number;
  readonly clockJumpsEveryMs: number;
  readonly databaseFull: number;
  readonly blobsFull: number;
  readonly diskFull: number;
  /** What a process of a step does. */
  readonly stepFails: number;
  readonly stepKilled: number;
  readonly stepWritesNothing: number;
  readonly stepHangs: number;
  readonly stepIgnoresTerm: number;
  /** The worker sends heartbeats, and the step neither runs nor can be ended. */
  readonly workerStuck: number;
  readonly stepSlow: number;
}

export const CALM: Plan = {
  crashAtAwait: 0,
  pauseAtAwait: 0,
  controlPlaneLivesMs: 0,
  workerLivesMs: 0,
  workerServesMs: 0,
  messageLost: 0,
  messageLate: 0,
  messageDoubled: 0,
  goodbyeRepeated: 0,
  partitionEveryMs: 0,
  clockJumpsEveryMs: 0,
  databaseFull: 0,
  blobsFull: 0,
  diskFull: 0,
  stepFails: 0,
  stepKilled: 0,
  stepWritesNothing: 0,
  stepHangs: 0,
  stepIgnoresTerm: 0,
  workerStuck: 0,
  stepSlow: 0,
};

/** Every fault by the name under which it is counted when it happens. */
export const FAULTS = [
  'blob store full',
  'cancel',
  'clock set',
  'control plane killed',
  'crash at an await',
  'database full',
  'disk of a worker full',
  'goodbye repeated late',
  'lease lost in a partition',
  'message doubled',
  'message late',
  'message lost',
  'step fails',
  'step hangs',
  'step ignores SIGTERM',
  'step killed',
  'step slow',
  'step writes nothing',
  'worker asked to end',
  'worker killed',
  'worker stuck but beating',
] as const;
export type Fault = (typeof FAULTS)[number];

/** How bad each fault is where it is switched on. */
const WORST: Plan = {
  crashAtAwait: 0.004,
  pauseAtAwait: 0.15,
  controlPlaneLivesMs: 6_000,
  workerLivesMs: 8_000,
  workerServesMs: 12_000,
  messageLost: 0.12,
  messageLate: 0.08,
  messageDoubled: 0.12,
  goodbyeRepeated: 0.6,
  partitionEveryMs: 15_000,
  clockJumpsEveryMs: 8_000,
  databaseFull: 0.02,
  blobsFull: 0.15,
  diskFull: 0.05,
  stepFails: 0.25,
  stepKilled: 0.1,
  stepWritesNothing: 0.05,
  stepHangs: 0.08,
  stepIgnoresTerm: 0.3,
  workerStuck: 0.06,
  stepSlow: 0.2,
};

/** Worlds in which only the processes of steps misbehave: a worker that is heard keeps what it has leased. */
const QUIET_SHARE = 0.1;
const OF_STEPS: ReadonlySet<keyof Plan> = new Set([
  'stepFails',
  'stepKilled',
  'stepWritesNothing',
  'stepHangs',
  'stepIgnoresTerm',
  'stepSlow',
]);

/** Whether nothing in a plan can cost a worker its lease. */
export function isQuiet(plan: Plan): boolean {
  return (Object.keys(plan) as (keyof Plan)[]).every((name) => plan[name] === 0 || OF_STEPS.has(name));
}

/**
 * A plan of which each fault is on in about half of the worlds ("swarm testing", Groce et al., ISSTA 2012): what hides
 * behind one fault shows in the worlds that do not have it.
 */
export function drawPlan(random: Random): Plan {
  const isQuiet = random.next() < QUIET_SHARE;
  const names = (Object.keys(WORST) as (keyof Plan)[]).filter((name) => !isQuiet || OF_STEPS.has(name));
  const drawn = names.map((name) => [name, random.next() < 0.5 ? WORST[name] * (0.3 + random.next()) : 0] as const);
  return { ...CALM, ...Object.fromEntries(drawn) };
}
