import { messageOf } from '#core/errors';
import type { Page } from '#platform/contract';
import type { Context, Tx } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import type { BlobStore, StoredBlob } from '#ports/blob-store';
import type { CodeBundle } from '../code/bundle.ts';
import { readBundle, storeBundle } from '../code/bundle.ts';
import {
  type AttemptPlace,
  type CacheExplanation,
  type FinishBody,
  type LeasedAttempt,
  type LogPage,
  type LogQuery,
  type Progress,
  pipelinesContract,
  type RunDetail,
  type RunView,
  type StepView,
  type UnitView,
  type WorkerView,
} from '../contract.ts';
import { attemptMsOf } from '../deadlines.ts';
import { pipelineErrors } from '../errors.ts';
import { etaOf } from '../eta.ts';
import type { AttemptStatus, StepStatus } from '../model.ts';
import { isFinalRun } from '../model.ts';
import { childrenOf, openTree } from '../nested/store.ts';
import type { Pins } from '../references.ts';
import { BACKOFF_MS } from '../retries.ts';
import { SeenWorkers } from '../seen-workers.ts';
import {
  attemptsOfRun,
  boundLeases,
  expiredAttempts,
  extendLease,
  extendLeases,
  heldAttempts,
  savePlace,
} from '../store/attempts.ts';
import { earlierDurations } from '../store/lateness.ts';
import { appendLines, type NewLogLine } from '../store/log.ts';
import { anyBeyond, boundReady } from '../store/queue.ts';
import { findPipeline, findRun, listRuns, type RunFilter, type StoredRun } from '../store/runs.ts';
import { limitsOf, listSteps, saveProgress } from '../store/steps.ts';
import { listUnits, unitCounts } from '../store/units.ts';
import { verificationsOfRun } from '../store/verifications.ts';
import { Wake } from '../wake.ts';
import { advance, runSubject } from './advance.ts';
import { putFile, requireContent } from './content.ts';
import { explainCache } from './explain.ts';
import { bury, expire, finish, release, requireAttempt, requireOutputs, staleAttempt } from './finish.ts';
import { type LeaseDeps, type LeaseRequest, type LeaveRequest, lease, leaseNow } from './lease.ts';
import { readStepLog } from './log.ts';
import { keyedRunId, type StartRun, startRun, viewOf } from './start-run.ts';

export interface PipelinesDeps extends DomainDeps {
  readonly blobs: BlobStore;
  /** What steps may refer to outside their pipeline, by kind. */
  readonly pins?: Pins;
  /** How long a silent worker keeps a step. 10,000 by default. */
  readonly leaseMs?: number;
  /**
   * How long a worker that is heard keeps a step beyond the timeout of the step, to bring inputs and store outputs. One
   * that is stuck does not keep it for ever. An hour by default.
   */
  readonly transferMs?: number;
  /** The seed of runs that name none, 1 by default. It is part of the cache key, so it does not vary by itself. */
  readonly seed?: number;
}

const LEASE_MS = 10_000;
const TRANSFER_MS = 3_600_000;
/** A step that has waited at a cluster for longer than this, by what its worker says, is not kept for it any more. */
const WAIT_MS_MAX = 7 * 86_400_000;
/** What workers have to end the processes of a run that is cancelled; after it, the run does not wait for them. */
const CANCEL_MS = 10_000;
const EXPIRED_BATCH = 100;
/** Earlier runs from which the end of one is expected. */
const ETA_RUNS = 20;
/** The audit action of a run that is started, whoever starts it. */
const START = pipelinesContract.startPipelineRun.audit;
const SYSTEM = { id: 'system:pipelines', roles: ['system'] } as const;

export class PipelineService {
  readonly #deps: PipelinesDeps;
  readonly #leaseMs: number;
  readonly #transferMs: number;
  readonly #seed: number;
  readonly #wake: Wake;
  readonly #polls = new Map<string, { readonly instance: string; left: boolean }>();
  readonly #workers = new SeenWorkers();

  constructor(deps: PipelinesDeps) {
    this.#deps = deps;
    this.#leaseMs = deps.leaseMs ?? LEASE_MS;
    this.#transferMs = deps.transferMs ?? TRANSFER_MS;
    this.#seed = deps.seed ?? 1;
    this.#wake = new Wake(deps.system.clock);
    // Whatever readies a step publishes an event or wakes by itself. This also covers runs that another domain starts.
    deps.db.onPublished(() => this.#wake.all());
  }

  async startRun(context: Context, request: StartRun): Promise<RunView> {
    const { db, blobs } = this.#deps;
    const spec = (await findPipeline(db.reader, request.pipeline))?.spec;
    await requireContent(blobs, { pipeline: request.pipeline, spec });
    // A repeated request changes nothing, so it leaves no audit row either.
    const started = await db.react(context, async (tx) => {
      const known = request.key && (await findRun(tx.db, keyedRunId(request.pipeline, request.key)));
      return known || startRun(tx, request, this.#start());
    });
    return viewOf(started);
  }

  /**
   * As {@link startRun}, in a transaction of the caller: what a consumer of events needs to start exactly one run. It
   * is audited as any start of a run is, in the name of its cause.
   */
  async startRunIn(tx: Tx, request: StartRun): Promise<RunView> {
    const actor = { id: request.cause.id, roles: SYSTEM.roles };
    const started = await startRun(tx.as({ actor, action: START }), request, this.#start());
    return viewOf(started);
  }

  async cancelRun(context: Context, runId: string, reason = 'cancelled'): Promise<RunView> {
    const words = `${reason} (by ${context.actor.id})`;
    await this.#deps.db.transact(context, async (tx) => {
      const run = await findRun(tx.db, runId);
      if (!run) throw pipelineErrors['run-not-found'](`there is no pipeline run '${runId}'`);
      const advanced = await advance(tx, run, { type: 'cancelled', reason: words, now: tx.now });
      if (advanced === 'stale') throw pipelineErrors['run-finished'](`run '${runId}' is ${run.status}`);
      for (const run of await openTree(tx.db, runId)) {
        await extendLeases(tx.db, tx.now + Math.max(CANCEL_MS, this.#leaseMs), run);
      }
      tx.audit(runSubject(runId), { reason });
    });
    return viewOf(await this.#run(runId));
  }

  async run(runId: string): Promise<RunDetail> {
    const { reader } = this.#deps.db;
    const run = await this.#run(runId);
    const attempts = await attemptsOfRun(reader, runId);
    const units = await unitCounts(reader, runId);
    const verified = await verificationsOfRun(reader, runId);
    const children = await childrenOf(reader, runId);
    const steps = (await listSteps(reader, runId)).map((step): StepView => {
      const [own, verification] = [attempts.get(step.step) ?? [], verified.get(step.step) ?? null];
      const child = children.get(step.step);
      const nested = child === undefined ? {} : { child };
      return { ...step, attempts: own, units: units.get(step.step) ?? null, verification, ...nested };
    });
    return { ...viewOf(run), steps, eta: await this.#eta(run, steps) };
  }

  /** The units of a step after a place, in their order. */
  async units(
    runId: string,
    step: string,
    page: { readonly status?: StepStatus | undefined; readonly after: number; readonly limit: number },
  ): Promise<{ items: UnitView[]; next?: number }> {
    const { reader } = this.#deps.db;
    await this.#run(runId);
    const found = await listUnits(reader, { run: runId, step }, { ...page, limit: page.limit + 1 });
    const children = await childrenOf(reader, runId, step);
    const items = found.slice(0, page.limit).map((unit) => {
      const child = children.get(unit.unit);
      return child === undefined ? unit : { ...unit, child };
    });
    return found.length > page.limit ? { items, next: items.at(-1)?.index ?? page.after } : { items };
  }

  async runs(filter: RunFilter): Promise<Page<RunView> & { items: RunView[] }> {
    const found = await listRuns(this.#deps.db.reader, { ...filter, limit: filter.limit + 1 });
    const items = found.slice(0, filter.limit).map(viewOf);
    return found.length > filter.limit ? { items, next: items.at(-1)?.run } : { items };
  }

  stepLog(runId: string, step: string, query: LogQuery): Promise<LogPage> {
    return readStepLog(this.#deps.db.reader, { run: runId, step }, query);
  }

  explainCache(runId: string, step: string): Promise<CacheExplanation> {
    return explainCache(this.#deps.db.reader, runId, step);
  }

  async putCode(context: Context, bytes: AsyncIterable<Uint8Array>): Promise<CodeBundle> {
    const bundle = await readBundle(bytes);
    await storeBundle(this.#deps.blobs, bundle);
    await this.#deps.db.transact(context, async (tx) => {
      tx.audit(`pipeline-code/${bundle.digest}`, { files: Object.keys(bundle.files) });
    });
    return bundle;
  }

  putFile(context: Context, bytes: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    return putFile(this.#deps, context, bytes);
  }

  /** A newer request of the same worker ends an older one that still waits: its answer would go to nobody. */
  async lease(request: LeaseRequest): Promise<LeasedAttempt[]> {
    this.#dismiss(request.worker);
    const { worker, instance = '', labels } = request;
    const poll = { instance, left: false };
    this.#polls.set(worker, poll);
    this.#workers.saw(worker, { instance, at: this.#deps.system.clock.now(), labels });
    try {
      return await lease(
        request,
        this.#leasing(() => poll.left),
      );
    } finally {
      if (this.#polls.get(worker) === poll) this.#polls.delete(worker);
    }
  }

  /**
   * Queues again what this instance of the worker holds and does not keep: given back, or lost where it died. Returns
   * how many attempts that were. What another process under the name has leased stays with it, however late this comes.
   */
  async leave(context: Context, { keep, died, ...who }: LeaveRequest): Promise<number> {
    this.#dismiss(who.worker, who.instance);
    this.#workers.left(who);
    const { db } = this.#deps;
    // One that tells no instance may be any, also one that has ended long ago.
    if (who.instance === '') return 0;
    // Read in the line of writers, so that a lease that is being granted at this moment is seen.
    const held = await db.maintain((tx) => heldAttempts(tx.db, who));
    const given = held.filter(({ attempt }) => !keep.includes(attempt));
    for (const { attempt } of given) await db.react(context, (tx) => (died ? bury : release)(tx, attempt));
    if (given.length > 0) this.#wake.all();
    return given.length;
  }

  /** Who has asked this process for work within the last hour, by name. */
  workers(): WorkerView[] {
    return this.#workers.list(this.#deps.system.clock.now());
  }

  async heartbeat(
    attemptId: string,
    beat: {
      readonly epoch: number;
      readonly progress?: Progress | undefined;
      readonly metrics?: Record<string, number> | undefined;
      readonly waitedMs?: number | undefined;
      readonly place?: AttemptPlace | undefined;
    },
  ): Promise<{ cancel: boolean }> {
    return this.#deps.db.maintain(async (tx) => {
      const attempt = await requireAttempt(tx, attemptId, beat.epoch);
      if (attempt.status !== 'running') throw staleAttempt(attempt);
      this.#workers.saw(attempt.worker, { instance: attempt.instance, at: tx.now });
      await saveProgress(tx.db, attempt, beat);
      await savePlace(tx.db, attempt, beat.place);
      const run = await findRun(tx.db, attempt.run);
      const cancel = run?.status === 'cancelling';
      // A worker that sends heartbeats and nothing else would otherwise keep the step, and the run, for ever.
      const { definition, deadlineAt } = await limitsOf(tx.db, attempt.run, attempt.step);
      const waitedMs = Math.min(beat.waitedMs ?? 0, WAIT_MS_MAX);
      const mayTakeMs = attemptMsOf(definition.timeoutMs, deadlineAt, attempt.startedAt);
      const isOverdue = tx.now > attempt.startedAt + waitedMs + mayTakeMs + this.#transferMs;
      if (!cancel && !isOverdue) await extendLease(tx.db, attemptId, tx.now + this.#leaseMs);
      return { cancel };
    });
  }

  async appendLog(attemptId: string, epoch: number, lines: readonly NewLogLine[]): Promise<void> {
    await this.#deps.db.maintain(async (tx) => {
      const attempt = await requireAttempt(tx, attemptId, epoch);
      if (attempt.status !== 'running') throw staleAttempt(attempt);
      await appendLines(tx, attempt, lines);
    });
  }

  async finish(context: Context, attemptId: string, body: FinishBody): Promise<AttemptStatus> {
    return (await this.finishAndLease(context, attemptId, { ...body, next: undefined })).status;
  }

  /** Commits a report and, in the same transaction, leases to the worker what it asks for with it. */
  async finishAndLease(
    context: Context,
    attemptId: string,
    body: FinishBody,
  ): Promise<{ readonly status: AttemptStatus; readonly attempts: LeasedAttempt[] }> {
    const { db, system, blobs, logger } = this.#deps;
    const { next } = body;
    if (body.status === 'succeeded') await requireOutputs(blobs, body.outputs);
    const leasing = this.#leasing(() => false);
    let isLeasing = false;
    const finished = await db
      .react(context, async (tx) => {
        const { status, isRepeat } = await finish(tx, attemptId, body, system);
        // Whoever repeats a request has gone on meanwhile, or will ask again.
        isLeasing = next !== undefined && !isRepeat;
        const attempts = next && isLeasing ? await leaseNow(tx, next, leasing) : [];
        return { status, attempts };
      })
      .catch(async (error) => {
        if (!isLeasing) throw error;
        // Whatever stands in the way of further work, that which was done is kept.
        logger.warn({ attempt: attemptId }, `no further work was leased with the end of one: ${messageOf(error)}`);
        const { status } = await db.react(context, (tx) => finish(tx, attemptId, body, system));
        return { status, attempts: [] };
      });
    this.#wake.all();
    return finished;
  }

  #leasing(hasLeft: () => boolean): LeaseDeps {
    const { db, system, blobs, resources } = this.#deps;
    const poolSlots = async (tx: Pick<Tx, 'db'>, name: string): Promise<number> =>
      Number((await resources.find('pool', name, tx.db))?.spec['slots'] ?? 0);
    const quotaOf = async (tx: Pick<Tx, 'db'>, project: string): Promise<number | undefined> => {
      const quota = await resources.find('quota', project, tx.db);
      return quota && Number(quota.spec['steps']);
    };
    return { db, system, blobs, wake: this.#wake, leaseMs: this.#leaseMs, hasLeft, poolSlots, quotaOf };
  }

  /** Takes steps from workers that fell silent. Returns how many. */
  async expireLeases(): Promise<number> {
    const { db, system, logger } = this.#deps;
    const expired = await expiredAttempts(db.reader, system.clock.now(), EXPIRED_BATCH);
    for (const { attempt, run, step, worker, instance } of expired) {
      logger.warn({ attempt, run, step, worker }, 'the lease of an attempt ran out');
      // A request of a silent worker may be left from before it died. If it lives, it asks again.
      this.#dismiss(worker, instance);
      await db.react({ actor: SYSTEM, action: 'pipeline-lease.expire' }, (tx) => expire(tx, attempt));
    }
    if (expired.length > 0) this.#wake.all();
    return expired.length;
  }

  /** After a start: workers could not renew their leases while nobody listened, so each gets a whole one. */
  async renewLeases(): Promise<void> {
    await this.#deps.db.maintain((tx) => extendLeases(tx.db, tx.now + this.#leaseMs));
  }

  /** Times further ahead than any that is given come from a clock that was wrong, and must not hold anything up. */
  async correctTimes(): Promise<void> {
    const { db, system } = this.#deps;
    const boundsAt = (now: number) => ({
      lease: now + Math.max(CANCEL_MS, this.#leaseMs),
      ready: now + BACKOFF_MS,
    });
    if (!(await anyBeyond(db.reader, boundsAt(system.clock.now())))) return;
    await db.maintain(async (tx) => {
      await boundLeases(tx.db, { latest: boundsAt(tx.now).lease, now: tx.now });
      await boundReady(tx.db, boundsAt(tx.now), tx.now);
    });
    this.#wake.all();
  }

  /** Ends the request that waits for work under this name, if it is of this instance where one is told. */
  #dismiss(worker: string, instance?: string): void {
    const poll = this.#polls.get(worker);
    if (!poll || (instance !== undefined && poll.instance !== instance)) return;
    poll.left = true;
    this.#wake.only(worker);
  }

  #start() {
    return { system: this.#deps.system, seed: this.#seed, pins: this.#deps.pins ?? {} };
  }

  async #eta({ pipeline, status }: StoredRun, steps: readonly StepView[]): Promise<RunDetail['eta']> {
    if (isFinalRun(status)) return null;
    const { runs, durations } = await earlierDurations(this.#deps.db.reader, { pipeline, runs: ETA_RUNS });
    return runs === 0 ? null : { ...etaOf(steps, { durations, now: this.#deps.system.clock.now() }), runs };
  }

  async #run(runId: string): Promise<StoredRun> {
    const run = await findRun(this.#deps.db.reader, runId);
    if (!run) throw pipelineErrors['run-not-found'](`there is no pipeline run '${runId}'`);
    return run;
  }
}
