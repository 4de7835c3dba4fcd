import type { System } from '#core/system';
import type { Database, Tx } from '#platform/db';
import type { BlobStore } from '#ports/blob-store';
import { LEASE_WAIT_MS_MAX, type LeasedAttempt } from '../contract.ts';
import { attemptMsOf } from '../deadlines.ts';
import { type Candidate, couldRun, match, type Queue } from '../matching.ts';
import { decide } from '../model.ts';
import { insertAttempt } from '../store/attempts.ts';
import { findLeasable } from '../store/leasable.ts';
import {
  anyReady,
  heldResources,
  nextReadyAt,
  queuedClasses,
  readySteps,
  runningByProject,
  takenSlots,
} from '../store/queue.ts';
import { findRun, updateRun } from '../store/runs.ts';
import { updateStepState } from '../store/step-state.ts';
import { stepOfUnit } from '../units.ts';
import type { Wake } from '../wake.ts';
import { inputsFor } from './inputs.ts';

export interface LeaseOffer {
  readonly worker: string;
  /** The process that has the name at present. One that tells none cannot leave: its leases run out. */
  readonly instance?: string | undefined;
  readonly slots: number;
  readonly labels: Readonly<Record<string, string>>;
  /** All that the worker has of what steps take. */
  readonly resources?: Readonly<Record<string, number>> | undefined;
}

export interface LeaseRequest extends LeaseOffer {
  readonly waitMs: number;
}

/** What is said of an instance of a worker that ends, or has ended. */
export interface LeaveRequest {
  readonly worker: string;
  readonly instance: string;
  /** Attempts whose end it reports itself. */
  readonly keep: readonly string[];
  /** It was killed: what it held is lost, not given back. */
  readonly died: boolean;
}

/**
 * A lease runs this long until its first heartbeat. The request of a worker that was killed while it waited is still
 * there for some seconds, and what it is given has to be taken back soon.
 */
const UNCONFIRMED_MS = 3_000;

/** Ready steps of each class that a match looks at, for each slot. */
const CANDIDATES_PER_SLOT = 4;
/** What another control plane over the same PostgreSQL has readied wakes nobody here: it is looked for. */
const LOOK_AGAIN_MS = 1_000;

export interface LeaseDeps {
  readonly db: Database;
  readonly system: System;
  readonly wake: Wake;
  readonly blobs: BlobStore;
  readonly leaseMs: number;
  /** The slots of a pool as it is declared, in the transaction. */
  poolSlots(tx: Pick<Tx, 'db'>, pool: string): Promise<number>;
  /** How many steps of a project may run at a time, if that is declared. */
  quotaOf(tx: Pick<Tx, 'db'>, project: string): Promise<number | undefined>;
  /** Whether the worker has said meanwhile that it ends. */
  readonly hasLeft: () => boolean;
}

/** Up to `slots` attempts; waits for the first until there is work, or `waitMs` have passed. */
export async function lease(request: LeaseRequest, deps: LeaseDeps): Promise<LeasedAttempt[]> {
  const { clock } = deps.system;
  const until = clock.monotonic() + Math.min(request.waitMs, LEASE_WAIT_MS_MAX);
  for (;;) {
    const listener = deps.wake.listen(request.worker);
    try {
      const now = clock.now();
      if (await anyReady(deps.db.reader, now)) {
        const attempts = await deps.db.maintain((tx) => leaseNow(tx, request, deps));
        if (attempts.length > 0) return attempts;
      }
      const leftMs = until - clock.monotonic();
      if (leftMs <= 0 || deps.hasLeft()) return [];
      const due = await nextReadyAt(deps.db.reader, now);
      const otherMs = deps.db.dialect === 'postgres' ? LOOK_AGAIN_MS : leftMs;
      await listener.wait(Math.min(leftMs, otherMs, due === undefined ? leftMs : due - now));
      if (deps.hasLeft()) return [];
    } finally {
      listener.cancel();
    }
  }
}

/** Leases what is ready for a worker at this moment. */
export async function leaseNow(
  tx: Omit<Tx, 'audit' | 'as'>,
  request: LeaseOffer,
  deps: LeaseDeps,
): Promise<LeasedAttempt[]> {
  if (deps.hasLeft()) return [];
  const { labels, resources: capacity = {}, worker, instance = '', slots } = request;
  const classes = (await queuedClasses(tx.db)).filter((found) => couldRun({ labels, capacity }, found.class));
  if (classes.length === 0) return [];
  const limit = slots * CANDIDATES_PER_SLOT;
  const queues = await Promise.all(
    classes.map(async ({ text, class: of }) => ({
      class: of,
      steps: await readySteps(tx.db, { now: tx.now, class: text, limit }),
    })),
  );
  const quotas = await quotasOf(tx, queues, deps);
  const offer = {
    ...{ slots, labels, capacity, quotas, now: tx.now },
    // Neither decides anything where no step asks for resources, or all are of one project without a quota.
    held: queues.some(asksForResources) ? await heldResources(tx.db, worker) : {},
    pools: await freeSlots(tx, queues, deps),
    running: isOfOneProject(queues) && quotas.size === 0 ? new Map() : await runningByProject(tx.db),
  };
  const leased: LeasedAttempt[] = [];
  for (const candidate of match(queues, offer)) {
    leased.push(...(await leaseStep(tx, candidate, { worker, instance, deps })));
  }
  return leased;
}

const asksForResources = (queue: Queue): boolean => Object.keys(queue.class.resources).length > 0;

const isOfOneProject = (queues: readonly Queue[]): boolean =>
  new Set(queues.map((queue) => queue.class.project)).size <= 1;

async function quotasOf(
  tx: Pick<Tx, 'db'>,
  queues: readonly Queue[],
  deps: Pick<LeaseDeps, 'quotaOf'>,
): Promise<Map<string, number>> {
  const quotas = new Map<string, number>();
  for (const project of new Set(queues.flatMap((queue) => queue.class.project ?? []))) {
    const quota = await deps.quotaOf(tx, project);
    if (quota !== undefined) quotas.set(project, quota);
  }
  return quotas;
}

async function freeSlots(
  tx: Pick<Tx, 'db'>,
  queues: readonly Queue[],
  deps: Pick<LeaseDeps, 'poolSlots'>,
): Promise<Map<string, number>> {
  const free = new Map<string, number>();
  for (const name of new Set(queues.flatMap((queue) => queue.class.pool?.name ?? []))) {
    free.set(name, (await deps.poolSlots(tx, name)) - (await takenSlots(tx.db, name)));
  }
  return free;
}

async function leaseStep(
  tx: Omit<Tx, 'audit' | 'as'>,
  { run: runId, step }: Candidate,
  { worker, instance, deps }: { readonly worker: string; readonly instance: string; readonly deps: LeaseDeps },
): Promise<LeasedAttempt[]> {
  const run = await findRun(tx.db, runId);
  const found = await findLeasable(tx.db, { run: runId, step });
  if (!run || !found) return [];
  // No other step of the run changes with a lease, and none has a say in it.
  const before = { status: run.status, paused: run.pausedAt !== null, steps: [found.state] };
  const decision = decide(before, { type: 'leased', step, now: tx.now });
  if (decision === 'stale') return [];
  for (const state of decision.changed) await updateStepState(tx.db, runId, state, tx.now);
  const { status } = decision.run;
  if (status !== run.status && stepOfUnit(step) === undefined) await updateRun(tx.db, runId, { status, now: tx.now });
  const { epoch = 0, deadlineAt = null } = decision.changed.find((state) => state.name === step) ?? {};
  const attempt = deps.system.ids.next('attempt');
  await insertAttempt(tx.db, {
    attempt,
    run: runId,
    step,
    epoch,
    worker,
    instance,
    status: 'running',
    startedAt: tx.now,
    leaseUntil: tx.now + Math.min(UNCONFIRMED_MS, deps.leaseMs),
    finishedAt: null,
    error: null,
  });
  const { definition } = found;
  return [
    {
      attempt,
      epoch,
      run: runId,
      pipeline: run.pipeline,
      step,
      ...(definition.command ? { command: [...definition.command] } : {}),
      ...(definition.files ? { files: { ...definition.files } } : {}),
      ...(definition.function && run.code ? { function: { code: run.code, ...definition.function } } : {}),
      params: { ...definition.params },
      inputs: await inputsFor(tx, { run: runId, ...found }, deps),
      outputs: [...definition.outputs],
      env: { ...definition.env },
      resources: { ...definition.resources },
      leaseMs: deps.leaseMs,
      timeoutMs: attemptMsOf(definition.timeoutMs, deadlineAt, tx.now),
      seed: run.seed,
      cause: run.cause,
    },
  ];
}
