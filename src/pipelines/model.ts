import { assert, unreachable } from '#core/assert';
import { isOverdue, overdueWords } from './deadlines.ts';
import { isRetried, type StepErrorKind } from './step-errors.ts';

/** `queued` until the first step is leased; `cancelling` while workers end what still runs. */
export type RunStatus = 'queued' | 'running' | 'cancelling' | 'succeeded' | 'failed' | 'cancelled';
/**
 * `queued` covers waiting for other steps, for a retry and for a worker; `waiting` is for a person or a time; `cached`
 * is a success without a process.
 */
export type StepStatus = 'queued' | 'running' | 'waiting' | 'succeeded' | 'cached' | 'failed' | 'skipped' | 'cancelled';
/** `lost` = its lease ran out; `released` = its worker gave it back. Neither says anything about the step's code. */
export type AttemptStatus = 'running' | 'succeeded' | 'failed' | 'lost' | 'released' | 'cancelled';

/** Every legal move of the three machines. What is not here is a bug. */
export const TRANSITIONS = {
  run: {
    queued: ['running', 'succeeded', 'cancelled'],
    running: ['succeeded', 'failed', 'cancelling', 'cancelled'],
    cancelling: ['cancelled'],
    succeeded: [],
    failed: [],
    cancelled: [],
  },
  step: {
    queued: ['running', 'waiting', 'cached', 'failed', 'skipped', 'cancelled'],
    waiting: ['succeeded', 'failed', 'cancelled'],
    running: ['queued', 'succeeded', 'failed', 'cancelled'],
    succeeded: [],
    cached: [],
    failed: [],
    skipped: [],
    cancelled: [],
  },
  attempt: {
    running: ['succeeded', 'failed', 'lost', 'released', 'cancelled'],
    succeeded: [],
    failed: [],
    lost: [],
    released: [],
    cancelled: [],
  },
} as const satisfies {
  readonly run: Readonly<Record<RunStatus, readonly RunStatus[]>>;
  readonly step: Readonly<Record<StepStatus, readonly StepStatus[]>>;
  readonly attempt: Readonly<Record<AttemptStatus, readonly AttemptStatus[]>>;
};

/** Times a step may lose its worker before that fails the step, whatever its own retries. */
export const LOSSES_MAX = 3;
/** Attempts of one step, of all kinds together: what ends a step that is released again and again. */
export const EPOCHS_MAX = 100;

export interface StepState {
  readonly name: string;
  readonly status: StepStatus;
  /** Steps that must have succeeded or been cached before. */
  readonly needs: readonly string[];
  /** The fencing token: how often the step was leased. Only the attempt that holds it may report. */
  readonly epoch: number;
  /** Failed attempts after which the step fails for good, in whatever way it fails. */
  readonly retries: number;
  readonly failures: number;
  readonly losses: number;
  /** So many losses of its worker are pre-emptions: they are expected, and not counted as losses. 0 for most steps. */
  readonly preemptible: number;
  readonly preemptions: number;
  /** How long it may take from its first lease on, and when that is over. */
  readonly withinMs: number | null;
  readonly deadlineAt: number | null;
  /** It runs when all other steps are final and one of them failed; what becomes of it does not change the outcome. */
  readonly onFailure: boolean;
  /** When a queued step may be leased, in epoch milliseconds; null while it waits for other steps. */
  readonly readyAt: number | null;
  /** Why it failed, was skipped, cancelled or will be tried again. */
  readonly reason: string | null;
}

export interface RunState {
  readonly status: RunStatus;
  /** Nothing of it is leased while it is paused; what runs goes on. */
  readonly paused: boolean;
  readonly steps: readonly StepState[];
}

/** Something that happened to a run. `now` is in epoch milliseconds. */
export type Fact =
  | { readonly type: 'started'; readonly now: number }
  | { readonly type: 'leased'; readonly step: string; readonly now: number }
  /** A cache entry holds what the step would produce. */
  | { readonly type: 'hit'; readonly step: string; readonly now: number }
  /** The step waits for a person or a time and not for a worker, until `until` at the latest. */
  | { readonly type: 'opened'; readonly step: string; readonly now: number; readonly until: number }
  /** A person decided about a waiting step, or its time has come. */
  | {
      readonly type: 'decided';
      readonly step: string;
      readonly now: number;
      readonly ok: boolean;
      readonly reason: string;
    }
  /** The time that the step has for all its attempts may be over. */
  | { readonly type: 'overdue'; readonly step: string; readonly now: number }
  /** The step was divided into units, which are leased in its place, or is the run of another pipeline. */
  | { readonly type: 'expanded'; readonly step: string; readonly now: number }
  /** All units of the step have ended, or the run that it is, or there can be none. */
  | {
      readonly type: 'mapped';
      readonly step: string;
      readonly now: number;
      readonly ok: boolean;
      readonly reason: string | null;
    }
  /** The condition of the step is not met: it is skipped, and what needs it. */
  | { readonly type: 'unmet'; readonly step: string; readonly now: number; readonly reason: string }
  | { readonly type: 'paused' | 'unpaused'; readonly now: number }
  | { readonly type: 'succeeded'; readonly step: string; readonly epoch: number; readonly now: number }
  | {
      readonly type: 'failed';
      readonly step: string;
      readonly epoch: number;
      readonly now: number;
      readonly kind: StepErrorKind;
      readonly message: string;
      /** Delay before the next attempt, if there is one. */
      readonly delayMs: number;
      /** Failures after which a step is tried again that failed so, where that is not the number of the step. */
      readonly retries?: number | undefined;
    }
  /** The worker ended the attempt because it was told to, or because it stops itself. */
  | { readonly type: 'stopped'; readonly step: string; readonly epoch: number; readonly now: number }
  /** The lease ran out. */
  | { readonly type: 'expired'; readonly step: string; readonly epoch: number; readonly now: number }
  | { readonly type: 'cancelled'; readonly reason: string; readonly now: number };

export interface Decision {
  readonly run: RunState;
  /** The steps that changed, each once, as they are now. */
  readonly changed: readonly StepState[];
  /** What became of the attempt that the fact is about. */
  readonly attempt?: AttemptStatus;
}

export const isFinalRun = (status: RunStatus): boolean => TRANSITIONS.run[status].length === 0;
export const isFinalStep = (status: StepStatus): boolean => TRANSITIONS.step[status].length === 0;

/**
 * What a fact does to a run. `stale` means that the fact comes from an attempt that no longer holds its step (another
 * epoch, or the step is not running) or asks for what is over: nothing may be written on its account.
 */
export function decide(run: RunState, fact: Fact): Decision | 'stale' {
  if (isFinalRun(run.status)) return 'stale';
  const draft = new Draft(run);
  switch (fact.type) {
    case 'started':
      return draft.settle(fact.now);
    case 'cancelled':
      return cancel(draft, fact);
    case 'paused':
    case 'unpaused':
      return pause(draft, fact);
    case 'decided':
      return fromPerson(draft, fact);
    case 'mapped':
      return fromUnits(draft, fact);
    case 'overdue':
      return fromTime(draft, fact);
    case 'leased':
    case 'expanded':
    case 'opened':
    case 'unmet':
    case 'hit':
      return fromQueue(draft, fact);
    case 'succeeded':
    case 'failed':
    case 'stopped':
    case 'expired':
      return fromAttempt(draft, fact);
    default:
      return unreachable(fact);
  }
}

function fromQueue(
  draft: Draft,
  fact: Fact & { type: 'leased' | 'expanded' | 'opened' | 'unmet' | 'hit' },
): Decision | 'stale' {
  const step = draft.step(fact.step);
  const { readyAt, epoch } = step;
  if (draft.status === 'cancelling' || step.status !== 'queued' || readyAt === null) return 'stale';
  if (fact.type === 'hit') {
    draft.move(step, 'cached', { reason: null });
    return draft.settle(fact.now);
  }
  if (fact.type === 'unmet') {
    draft.move(step, 'skipped', { reason: fact.reason, readyAt: null });
    return draft.settle(fact.now);
  }
  if (fact.type === 'expanded') {
    if (epoch !== 0) return 'stale';
    draft.move(step, 'running', { reason: null });
    if (draft.status === 'queued') draft.become('running');
    return draft.settle(fact.now);
  }
  if (fact.type === 'opened') {
    draft.move(step, 'waiting', { reason: null, readyAt: fact.until });
    if (draft.status === 'queued') draft.become('running');
    return draft.settle(fact.now);
  }
  if (readyAt > fact.now || draft.paused || isOverdue(step, fact.now)) return 'stale';
  const deadlineAt = step.deadlineAt ?? (step.withinMs === null ? null : fact.now + step.withinMs);
  draft.move(step, 'running', { epoch: epoch + 1, reason: null, deadlineAt });
  if (draft.status === 'queued') draft.become('running');
  return draft.settle(fact.now, 'running');
}

/** A step that waits for another attempt when its time is over fails; one that runs is ended by its worker. */
function fromTime(draft: Draft, fact: Fact & { type: 'overdue' }): Decision | 'stale' {
  const step = draft.step(fact.step);
  if (draft.status === 'cancelling' || step.status !== 'queued' || !isOverdue(step, fact.now)) return 'stale';
  draft.move(step, 'failed', { reason: overdueWords(step), readyAt: null });
  return draft.settle(fact.now);
}

/** A step whose units, or whose run, have ended ends with them. It has no attempt of its own: its epoch stays 0. */
function fromUnits(draft: Draft, fact: Fact & { type: 'mapped' }): Decision | 'stale' {
  const step = draft.step(fact.step);
  if (step.status !== 'running' || step.epoch !== 0) return 'stale';
  if (draft.status === 'cancelling') draft.move(step, 'cancelled', { reason: 'the run was cancelled' });
  else draft.move(step, fact.ok ? 'succeeded' : 'failed', { reason: fact.reason });
  return draft.settle(fact.now);
}

function fromPerson(draft: Draft, fact: Fact & { type: 'decided' }): Decision | 'stale' {
  const step = draft.step(fact.step);
  if (step.status !== 'waiting') return 'stale';
  draft.move(step, fact.ok ? 'succeeded' : 'failed', { reason: fact.reason });
  return draft.settle(fact.now);
}

function pause(draft: Draft, fact: Fact & { type: 'paused' | 'unpaused' }): Decision | 'stale' {
  const paused = fact.type === 'paused';
  if (draft.status === 'cancelling' || draft.paused === paused) return 'stale';
  draft.paused = paused;
  return draft.settle(fact.now);
}

type AttemptFact = Fact & { type: 'succeeded' | 'failed' | 'stopped' | 'expired' };

function fromAttempt(draft: Draft, fact: AttemptFact): Decision | 'stale' {
  const step = draft.step(fact.step);
  // A step that was divided has no attempt: its epoch is 0, which no report may have.
  if (step.status !== 'running' || step.epoch !== fact.epoch || step.epoch === 0) return 'stale';
  if (fact.type === 'succeeded') {
    draft.move(step, 'succeeded', { reason: null });
    return draft.settle(fact.now, 'succeeded');
  }
  const attempt = fact.type === 'failed' ? 'failed' : fact.type === 'expired' ? 'lost' : 'released';
  if (draft.status === 'cancelling') {
    draft.move(step, 'cancelled', { reason: 'the run was cancelled' });
    return draft.settle(fact.now, fact.type === 'stopped' ? 'cancelled' : attempt);
  }
  const failures = step.failures + (fact.type === 'failed' ? 1 : 0);
  const isPreempted = fact.type !== 'failed' && step.preemptions < step.preemptible;
  const losses = step.losses + (fact.type === 'expired' && !isPreempted ? 1 : 0);
  const preemptions = step.preemptions + (isPreempted ? 1 : 0);
  const tried = { failures, losses, preemptions };
  const again = step.epoch < EPOCHS_MAX && mayRunAgain(fact, { failures, losses, retries: step.retries });
  const reason = isPreempted ? `pre-empted (${preemptions} of ${step.preemptible} times)` : wordsOf(fact, losses);
  const readyAt = fact.now + (fact.type === 'failed' ? fact.delayMs : 0);
  if (!again) draft.move(step, 'failed', { ...tried, reason });
  else if (!isOverdue(step, readyAt)) draft.move(step, 'queued', { ...tried, readyAt, reason });
  else draft.move(step, 'failed', { ...tried, reason: overdueWords({ ...step, reason }) });
  return draft.settle(fact.now, attempt);
}

function mayRunAgain(
  fact: AttemptFact,
  tries: { readonly failures: number; readonly losses: number; readonly retries: number },
): boolean {
  if (fact.type === 'failed') return isRetried(fact.kind) && tries.failures <= (fact.retries ?? tries.retries);
  return fact.type === 'stopped' || tries.losses <= LOSSES_MAX;
}

function wordsOf(fact: AttemptFact, losses: number): string {
  if (fact.type === 'failed') return `${fact.kind}: ${fact.message}`;
  if (fact.type === 'expired') return `worker-lost: the worker fell silent (${losses} of at most ${LOSSES_MAX} times)`;
  return 'the worker gave the attempt back';
}

function cancel(draft: Draft, fact: Fact & { type: 'cancelled' }): Decision | 'stale' {
  if (draft.status === 'cancelling') return 'stale';
  for (const step of draft.steps()) {
    const waits = step.status === 'queued' || step.status === 'waiting';
    if (waits) draft.move(step, 'cancelled', { reason: fact.reason, readyAt: null });
  }
  if (draft.steps().some((step) => step.status === 'running')) draft.become('cancelling');
  else draft.become('cancelled');
  return draft.settle(fact.now);
}

/** A run while a fact is applied to it. Every change of status passes the transition table. */
class Draft {
  status: RunStatus;
  paused: boolean;
  readonly #steps: Map<string, StepState>;
  readonly #changed = new Set<string>();

  constructor(run: RunState) {
    this.status = run.status;
    this.paused = run.paused;
    this.#steps = new Map(run.steps.map((step) => [step.name, step]));
  }

  steps(): StepState[] {
    return [...this.#steps.values()];
  }

  step(name: string): StepState {
    const step = this.#steps.get(name);
    assert(step, `the run has no step '${name}'`);
    return step;
  }

  move(step: StepState, status: StepStatus, change: Partial<StepState>): void {
    const allowed: readonly StepStatus[] = TRANSITIONS.step[step.status];
    assert(allowed.includes(status), `step '${step.name}' cannot go from ${step.status} to ${status}`);
    this.#set({ ...step, ...change, status });
  }

  become(status: RunStatus): void {
    const allowed: readonly RunStatus[] = TRANSITIONS.run[this.status];
    assert(allowed.includes(status), `a run cannot go from ${this.status} to ${status}`);
    this.status = status;
  }

  /** Draws the conclusions: skips what cannot run any more, readies what can, ends the run when all its steps have. */
  settle(now: number, attempt?: AttemptStatus): Decision {
    while (this.#skipDependants()) {
      // Skipping one step may condemn those that need it.
    }
    this.#settleHooks(now);
    for (const step of this.steps()) {
      if (step.onFailure) continue;
      if (step.status === 'queued' && step.readyAt === null && step.needs.every((name) => this.#isDone(name))) {
        this.#set({ ...step, readyAt: now });
      }
    }
    const steps = this.steps();
    if (!isFinalRun(this.status) && steps.every((step) => isFinalStep(step.status))) this.become(this.#outcome());
    const changed = [...this.#changed].map((name) => this.step(name));
    return { run: { status: this.status, paused: this.paused, steps }, changed, ...(attempt ? { attempt } : {}) };
  }

  #skipDependants(): boolean {
    let skipped = false;
    for (const step of this.steps()) {
      if (step.status !== 'queued') continue;
      const culprit = step.needs.find((name) => ['failed', 'skipped'].includes(this.step(name).status));
      if (culprit === undefined) continue;
      this.move(step, 'skipped', { reason: `step '${culprit}' ${this.step(culprit).status}`, readyAt: null });
      skipped = true;
    }
    return skipped;
  }

  /** Steps for the case of failure start when everything else is over and something failed, else they are skipped. */
  #settleHooks(now: number): void {
    const [hooks, others] = [
      this.steps().filter((step) => step.onFailure),
      this.steps().filter((step) => !step.onFailure),
    ];
    if (hooks.length === 0 || !others.every((step) => isFinalStep(step.status))) return;
    const failed = others.some((step) => step.status === 'failed');
    for (const hook of hooks) {
      if (hook.status !== 'queued' || hook.readyAt !== null) continue;
      if (failed) this.#set({ ...hook, readyAt: now });
      else this.move(hook, 'skipped', { reason: 'no step failed' });
    }
  }

  #isDone(name: string): boolean {
    const { status } = this.step(name);
    return status === 'succeeded' || status === 'cached';
  }

  #outcome(): RunStatus {
    if (this.status === 'cancelling') return 'cancelled';
    return this.steps().some((step) => step.status === 'failed' && !step.onFailure) ? 'failed' : 'succeeded';
  }

  #set(step: StepState): void {
    this.#steps.set(step.name, step);
    this.#changed.add(step.name);
  }
}
