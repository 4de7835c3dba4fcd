import type { Context, Tx } from '#platform/db';
import type { RunView } from '../contract.ts';
import { pipelineErrors } from '../errors.ts';
import { pipelineRunLate, pipelineRunPaused } from '../events.ts';
import { upstreamOf } from '../graph.ts';
import { isFinalRun } from '../model.ts';
import { openChildren } from '../nested/store.ts';
import { productsOf } from '../store/kept-steps.ts';
import { lateRuns, markLate } from '../store/lateness.ts';
import { crowdedPipelines, findPipeline, findRun, overdueRuns, pauseRun, type StoredRun } from '../store/runs.ts';
import { elapsedSteps, overdueSteps, pauseSteps } from '../store/step-times.ts';
import { definitionOf, findStep } from '../store/steps.ts';
import { elapsedOf } from '../waits/spec.ts';
import { admitNext, advance, nextAdmitted, runSubject } from './advance.ts';
import { leftOf } from './left.ts';
import type { PipelinesDeps } from './service.ts';
import { begin, buildRun, causeOf, furtherRun, viewOf } from './start-run.ts';
import { startVerification, type VerifyRequest } from './verify.ts';

const BATCH = 100;
const SYSTEM = { id: 'system:pipelines', roles: ['system'] } as const;

/** What people do to runs that exist, and what becomes due without anybody doing anything. */
export class RunControl {
  readonly #deps: PipelinesDeps;

  constructor(deps: PipelinesDeps) {
    this.#deps = deps;
  }

  /** Lets nothing of a run be leased until it is unpaused, or lets it go on. What runs is not interrupted. */
  async setPaused(context: Context, runId: string, paused: boolean): Promise<RunView> {
    await this.#deps.db.transact(context, async (tx) => {
      const run = await requireRun(tx, runId);
      if (!(await pauseTree(tx, run, paused))) {
        const state =
          isFinalRun(run.status) || run.status === 'cancelling' ? run.status : paused ? 'paused' : 'not paused';
        throw pipelineErrors['run-not-so'](`run '${runId}' is ${state}`);
      }
      tx.audit(runSubject(runId), { paused });
    });
    return this.#view(runId);
  }

  /** Approves or rejects a step that waits for it. */
  async decide(
    context: Context,
    of: { readonly run: string; readonly step: string },
    { approve, reason }: { readonly approve: boolean; readonly reason: string },
  ): Promise<RunView> {
    await this.#deps.db.transact(context, async (tx) => {
      const run = await requireRun(tx, of.run);
      const step = await findStep(tx.db, of.run, of.step);
      if (!step) throw pipelineErrors['step-not-found'](`run '${of.run}' has no step '${of.step}'`);
      const { approval } = await definitionOf(tx.db, of.run, of.step);
      if (!approval || step.status !== 'waiting') {
        const what = approval ? `is ${step.status}` : 'asks for no approval';
        throw pipelineErrors['run-not-so'](`step '${of.step}' ${what}`);
      }
      if (approval.independent && run.cause.id === context.actor.id) {
        throw pipelineErrors['own-run'](`${context.actor.id} started run '${of.run}': somebody else decides`);
      }
      const words = `${approve ? 'approved' : 'rejected'} by ${context.actor.id}${reason ? `: ${reason}` : ''}`;
      await advance(tx, run, { type: 'decided', step: of.step, now: tx.now, ok: approve, reason: words });
      tx.audit(runSubject(of.run), { step: of.step, approved: approve, reason });
    });
    return this.#view(of.run);
  }

  /**
   * Starts a run that does what is left of one that failed or was cancelled: with its parameters, declaration and
   * pinned inputs, taking over the work of the steps that succeeded.
   */
  async resume(context: Context, runId: string): Promise<RunView> {
    const started = await this.#deps.db.transact(context, async (tx) => {
      const run = await this.#requireOver(tx, runId);
      const left = await leftOf(tx, runId);
      if (left.steps.every(({ state }) => state.onFailure || left.taken.has(state.name))) {
        throw pipelineErrors['run-not-so'](`run '${runId}' ${run.status}: nothing of it is left to do`);
      }
      return begin(tx, furtherRun(tx, { run, as: this.#as(context) }), left);
    });
    return viewOf(started);
  }

  /**
   * Starts a run of the pipeline as it is declared now, with the parameters of an earlier run and those given, that
   * does the named steps and all that needs them anew and takes over the others as far as they succeeded.
   */
  async rerun(
    context: Context,
    runId: string,
    { from, params }: { readonly from: readonly string[]; readonly params: Readonly<Record<string, unknown>> },
  ): Promise<RunView> {
    const started = await this.#deps.db.transact(context, async (tx) => {
      const run = await this.#requireOver(tx, runId);
      const pipeline = await findPipeline(tx.db, run.pipeline);
      const declared = pipeline?.spec.params ?? {};
      const kept = Object.entries(run.params).filter(([name]) => Object.hasOwn(declared, name));
      const given: Record<string, unknown> = { ...Object.fromEntries(kept), ...params };
      const { project, seed, priority } = run;
      const cause = causeOf(context);
      const request = { pipeline: run.pipeline, params: given, cause, seed, priority, ...(project ? { project } : {}) };
      const inputs = Object.fromEntries(
        Object.entries(run.inputs).filter(([name]) => Object.hasOwn(pipeline?.spec.inputs ?? {}, name)),
      );
      const built = await buildRun(tx, request, { ...this.#deps, pins: this.#deps.pins ?? {}, seed, given: inputs });
      const again = downstream(pipeline?.spec.steps ?? [], from);
      const unknown = from.find((name) => !built.steps.some(({ state }) => state.name === name));
      if (unknown) throw pipelineErrors['step-not-found'](`pipeline '${run.pipeline}' declares no step '${unknown}'`);
      const done = await productsOf(tx.db, runId);
      const taken = new Map([...done].filter(([name]) => !again.has(name)));
      const steps = built.steps.map((step) =>
        again.has(step.state.name) ? { ...step, definition: { ...step.definition, cache: false } } : step,
      );
      return begin(tx, { ...built.run, origin: runId }, { steps, taken, source: built.source });
    });
    return viewOf(started);
  }

  /** Starts a run that does cached steps of another again, and compares. */
  async verify(context: Context, runId: string, request: VerifyRequest): Promise<RunView> {
    const started = await this.#deps.db.transact(context, async (tx) => {
      const run = await requireRun(tx, runId);
      const further = furtherRun(tx, { run, as: this.#as(context) });
      return startVerification(tx, { run, further, deps: this.#deps }, request);
    });
    return viewOf(started);
  }

  /**
   * Lets in runs for which there is room, ends those that take too long, tells of those that are late, and moves on
   * what waited for a time.
   */
  async tend(): Promise<void> {
    const { db, system } = this.#deps;
    const now = system.clock.now();
    const act = (action: string, work: (tx: Tx) => Promise<void>): Promise<void> =>
      db.react({ actor: SYSTEM, action }, work);
    for (const run of await overdueRuns(db.reader, now, BATCH))
      await act('pipeline-run.cancel', (tx) => overdue(tx, run));
    for (const run of await lateRuns(db.reader, now, BATCH)) await act('pipeline-run.late', (tx) => late(tx, run));
    for (const of of await overdueSteps(db.reader, now, BATCH))
      await act('pipeline-step.fail', (tx) => endStep(tx, of));
    for (const of of await elapsedSteps(db.reader, now, BATCH))
      await act('pipeline-step.decide', (tx) => elapse(tx, of));
    for (const name of await crowdedPipelines(db.reader)) {
      // Looked at before: a pipeline that is full for hours takes no place in the line of writers each second.
      if (await nextAdmitted(db.reader, name)) await act('pipeline-run.start', (tx) => admitNext(tx, name));
    }
  }

  #as(context: Context) {
    return { run: this.#deps.system.ids.next('prun'), cause: causeOf(context) };
  }

  async #requireOver(tx: Tx, runId: string): Promise<StoredRun> {
    const run = await requireRun(tx, runId);
    if (isFinalRun(run.status)) return run;
    throw pipelineErrors['run-not-so'](`run '${runId}' is ${run.status}: wait for its end, or cancel it`);
  }

  async #view(runId: string): Promise<RunView> {
    return viewOf(await requireRun({ db: this.#deps.db.reader }, runId));
  }
}

/** The named steps and all that needs them, directly or not. */
function downstream(steps: readonly Parameters<typeof upstreamOf>[0][], from: readonly string[]): ReadonlySet<string> {
  const found = new Set(from);
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const step of steps) if (upstreamOf(step).some((name) => found.has(name))) found.add(step.name);
  }
  return found;
}

/** Pauses a run, or lets it go on, with the runs that are steps of it. False when it is so already, or over. */
async function pauseTree(tx: Tx, run: StoredRun, paused: boolean): Promise<boolean> {
  const advanced = await advance(tx, run, { type: paused ? 'paused' : 'unpaused', now: tx.now });
  if (advanced !== 'stale') {
    await pauseRun(tx.db, run.run, paused ? tx.now : null);
    await pauseSteps(tx.db, run.run, paused);
    tx.emit(pipelineRunPaused.draft(runSubject(run.run), { run: run.run, pipeline: run.pipeline, paused }));
  }
  for (const child of await openChildren(tx.db, run.run)) await pauseTree(tx, child, paused);
  return advanced !== 'stale';
}

async function overdue(tx: Tx, runId: string): Promise<void> {
  const run = await requireRun(tx, runId);
  if (run.deadlineAt === null || run.deadlineAt > tx.now) return;
  const seconds = Math.round((run.deadlineAt - (run.admittedAt ?? run.createdAt)) / 1_000);
  const reason = `timeout: the run took longer than ${seconds} s`;
  const advanced = await advance(tx, run, { type: 'cancelled', reason, now: tx.now });
  if (advanced !== 'stale') tx.audit(runSubject(runId), { reason });
}

async function late(tx: Tx, runId: string): Promise<void> {
  const { status, pipeline, lateAt, lateSince } = await requireRun(tx, runId);
  if (isFinalRun(status) || lateSince !== null || lateAt === null || lateAt > tx.now) return;
  await markLate(tx.db, runId, tx.now);
  tx.emit(pipelineRunLate.draft(runSubject(runId), { run: runId, pipeline, status, lateAt }));
  tx.audit(runSubject(runId), { late: true, lateAt });
}

/** The time of a step that waits for another attempt is over. */
async function endStep(tx: Tx, { run: runId, step }: { readonly run: string; readonly step: string }): Promise<void> {
  const advanced = await advance(tx, await requireRun(tx, runId), { type: 'overdue', step, now: tx.now });
  if (advanced === 'stale') return;
  const found = advanced.state.steps.find(({ name }) => name === step);
  const { status, reason, epoch } = found ?? { status: null, reason: null, epoch: null };
  tx.audit(runSubject(runId), { step, status, reason, epoch });
}

/** A wait is over; an approval that nobody gave in time is refused, and an event that did not come fails its step. */
async function elapse(tx: Tx, { run: runId, step }: { readonly run: string; readonly step: string }): Promise<void> {
  const run = await requireRun(tx, runId);
  const found = await findStep(tx.db, runId, step);
  if (found?.status !== 'waiting' || (found.readyAt ?? 0) > tx.now) return;
  const { wait } = await definitionOf(tx.db, runId, step);
  const elapsed = wait ? elapsedOf(wait) : { ok: false, reason: 'nobody decided in time' };
  const advanced = await advance(tx, run, { type: 'decided', step, now: tx.now, ...elapsed });
  if (advanced !== 'stale') tx.audit(runSubject(runId), { step, reason: elapsed.reason });
}

async function requireRun(tx: Pick<Tx, 'db'> | { readonly db: PipelinesDeps['db']['reader'] }, runId: string) {
  const run = await findRun(tx.db, runId);
  if (!run) throw pipelineErrors['run-not-found'](`there is no pipeline run '${runId}'`);
  return run;
}
