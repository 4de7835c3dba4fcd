import type { Cause } from '#core/cause';
import { KedgeError } from '#core/errors';
import type { Page } from '#platform/contract';
import type { Context, Tx } from '#platform/db';
import type { DomainDeps, Job } from '#platform/domain';
import { pipelineErrors } from '../errors.ts';
import { isFinalRun } from '../model.ts';
import { resolveParams } from '../params.ts';
import type { PipelineSpec } from '../spec.ts';
import { findPipeline } from '../store/runs.ts';
import type { BackfillView, PartitionView } from './contract.ts';
import { PARTITIONS_MAX, type PartitionsSpec, partitionOf, partitionsBetween } from './partitions.ts';
import {
  activeOf,
  type BackfillPartition,
  findBackfill,
  insertBackfill,
  listBackfills,
  newestRuns,
  partitionsOf,
  runningBackfills,
  type StoredBackfill,
  setBackfillStatus,
  setPartitionRun,
  waitingOf,
} from './store.ts';

const LOOK_EVERY_MS = 1_000;
/** Runs that one look starts for a backfill. */
const STARTED_MAX = 50;
const SYSTEM: Context = { actor: { id: 'system:backfills', roles: ['system'] }, action: 'backfill.advance' };

interface BackfillDeps extends DomainDeps {
  startRunIn(
    tx: Tx,
    request: {
      readonly pipeline: string;
      readonly params: Readonly<Record<string, unknown>>;
      readonly cause: Cause;
      readonly key: string;
    },
  ): Promise<{ readonly run: string }>;
  cancelRun(context: Context, run: string, reason: string): Promise<unknown>;
}

interface Partitioned {
  readonly spec: PipelineSpec;
  readonly partitions: PartitionsSpec;
}

/** Runs for many partitions of a pipeline, so many at a time. A partition of a backfill is started once. */
export class Backfills {
  readonly #deps: BackfillDeps;

  constructor(deps: BackfillDeps) {
    this.#deps = deps;
  }

  job(): Job {
    return { name: 'pipelines/backfills', everyMs: LOOK_EVERY_MS, run: () => this.look() };
  }

  /** Every partition that is over in a span, with its newest run. */
  async partitions(
    pipeline: string,
    span: { readonly from?: string | undefined; readonly to?: string | undefined },
  ): Promise<{ items: PartitionView[]; param: string }> {
    const { reader } = this.#deps.db;
    const { partitions } = await requirePartitions(reader, pipeline);
    const now = this.#deps.system.clock.now();
    const runs = await newestRuns(reader, pipeline);
    const names = partitionsBetween(partitions, { ...span, now }, PARTITIONS_MAX);
    const missing = { status: 'missing' as const, run: null };
    return {
      param: partitions.param,
      items: names.map((partition) => ({ partition, ...(runs.get(partition) ?? missing) })),
    };
  }

  async start(
    context: Context,
    request: {
      readonly pipeline: string;
      readonly from?: string | undefined;
      readonly to?: string | undefined;
      readonly partitions?: readonly string[] | undefined;
      readonly missingOnly: boolean;
      readonly concurrency: number;
      readonly params: Readonly<Record<string, unknown>>;
    },
  ): Promise<BackfillView> {
    const { db, system } = this.#deps;
    const id = system.ids.next('backfill');
    await db.transact(context, async (tx) => {
      const { spec, partitions } = await requirePartitions(tx.db, request.pipeline);
      const names = await this.#chosen(tx, request, partitions);
      const { issues } = resolveParams(spec.params, { ...request.params, [partitions.param]: names[0] });
      if (issues.length > 0) {
        const first = `${issues[0]?.path} ${issues[0]?.message}`;
        throw pipelineErrors['invalid-params'](`pipeline '${request.pipeline}': ${first}`, issues);
      }
      const backfill: StoredBackfill = {
        ...{ backfill: id, pipeline: request.pipeline, status: 'running', concurrency: request.concurrency },
        ...{ params: { ...request.params }, createdAt: tx.now, createdBy: context.actor.id, finishedAt: null },
      };
      await insertBackfill(tx.db, backfill, names);
      const { pipeline, concurrency } = request;
      tx.audit(`backfill/${id}`, { pipeline, concurrency, partitions: names.length, first: names[0] ?? null });
    });
    await this.look();
    return this.#view(id);
  }

  async list(filter: {
    readonly pipeline?: string | undefined;
    readonly after?: string | undefined;
    readonly limit: number;
  }): Promise<Page<BackfillView> & { items: BackfillView[] }> {
    const found = await listBackfills(this.#deps.db.reader, { ...filter, limit: filter.limit + 1 });
    const items = await Promise.all(found.slice(0, filter.limit).map(({ backfill }) => this.#view(backfill)));
    return found.length > filter.limit ? { items, next: items.at(-1)?.backfill } : { items };
  }

  async get(id: string) {
    const view = await this.#view(id);
    const items = (await partitionsOf(this.#deps.db.reader, id)).map(({ partition, run, status, reason }) => ({
      ...{ partition, run, reason },
      status: status ?? (reason === null ? ('waiting' as const) : ('refused' as const)),
    }));
    return { ...view, items };
  }

  async setPaused(context: Context, id: string, paused: boolean): Promise<BackfillView> {
    await this.#deps.db.transact(context, async (tx) => {
      await requireOpen(tx, id);
      await setBackfillStatus(tx.db, id, { status: paused ? 'paused' : 'running', finishedAt: null });
      tx.audit(`backfill/${id}`, { paused });
    });
    return this.#view(id);
  }

  async cancel(context: Context, id: string): Promise<BackfillView> {
    const active = await this.#deps.db.transact(context, async (tx) => {
      await requireOpen(tx, id);
      await setBackfillStatus(tx.db, id, { status: 'cancelled', finishedAt: tx.now });
      tx.audit(`backfill/${id}`, null);
      return activeOf(tx.db, id);
    });
    for (const run of active) {
      try {
        await this.#deps.cancelRun(context, run, `backfill ${id} was cancelled`);
      } catch (error) {
        // It ended meanwhile, or is being cancelled.
        if (!(error instanceof KedgeError)) throw error;
      }
    }
    return this.#view(id);
  }

  /** Starts what there is room for, and ends backfills of which nothing is left. */
  async look(): Promise<void> {
    const { db } = this.#deps;
    for (const id of await runningBackfills(db.reader)) {
      const [active, [next]] = await Promise.all([activeOf(db.reader, id), waitingOf(db.reader, id, 1)]);
      const backfill = await findBackfill(db.reader, id);
      const isIdle = backfill && (next ? active.length >= backfill.concurrency : active.length > 0);
      if (!isIdle) await db.react(SYSTEM, (tx) => this.#advance(tx, id));
    }
  }

  async #advance(tx: Tx, id: string): Promise<void> {
    const backfill = await findBackfill(tx.db, id);
    if (backfill?.status !== 'running') return;
    const active = (await activeOf(tx.db, id)).length;
    const room = Math.min(STARTED_MAX, backfill.concurrency - active);
    const waiting = room > 0 ? await waitingOf(tx.db, id, room) : [];
    for (const { position, partition } of waiting) {
      const told = await this.#startOne(tx, backfill, partition);
      await setPartitionRun(tx.db, { backfill: id, position }, told);
    }
    if (active > 0 || waiting.length > 0) return;
    await setBackfillStatus(tx.db, id, { status: 'done', finishedAt: tx.now });
    tx.audit(`backfill/${id}`, { done: true });
  }

  async #startOne(
    tx: Tx,
    backfill: StoredBackfill,
    partition: string,
  ): Promise<{ readonly run: string | null; readonly reason: string | null }> {
    const { pipeline, backfill: id, createdBy } = backfill;
    try {
      const { partitions } = await requirePartitions(tx.db, pipeline);
      const params = { ...backfill.params, [partitions.param]: partition };
      const cause = { kind: 'user', id: createdBy, depth: 0 } as const;
      const { run } = await this.#deps.startRunIn(tx, { pipeline, params, cause, key: `${id}/${partition}` });
      return { run, reason: null };
    } catch (error) {
      if (!(error instanceof KedgeError)) throw error;
      return { run: null, reason: error.message };
    }
  }

  async #chosen(
    tx: Tx,
    request: Parameters<Backfills['start']>[1],
    partitions: PartitionsSpec,
  ): Promise<readonly string[]> {
    const all = request.partitions ?? partitionsBetween(partitions, { ...request, now: tx.now }, PARTITIONS_MAX);
    const names = all.map((name) => partitionOf(partitions, name));
    const unknown = all.find((_, i) => names[i] === undefined);
    if (unknown !== undefined) {
      throw pipelineErrors['not-partitioned'](`'${unknown}' is no partition of pipeline '${request.pipeline}'`);
    }
    const runs = request.missingOnly ? await newestRuns(tx.db, request.pipeline) : new Map<string, PartitionView>();
    const isDone = (name: string): boolean => {
      const status = runs.get(name)?.status ?? 'missing';
      return status === 'succeeded' || (status !== 'missing' && !isFinalRun(status));
    };
    const chosen = [...new Set(names.flatMap((name) => (name === undefined || isDone(name) ? [] : [name])))];
    if (chosen.length > 0) return chosen;
    throw pipelineErrors['nothing-to-backfill'](
      `pipeline '${request.pipeline}' has no partition there, or all have a run that succeeded or goes on`,
    );
  }

  async #view(id: string): Promise<BackfillView> {
    const { reader } = this.#deps.db;
    const backfill = await findBackfill(reader, id);
    if (!backfill) throw notFound(id);
    return { ...backfill, progress: progressOf(await partitionsOf(reader, id)) };
  }
}

function progressOf(partitions: readonly BackfillPartition[]): BackfillView['progress'] {
  const count = (is: (one: BackfillPartition) => boolean): number => partitions.filter(is).length;
  return {
    partitions: partitions.length,
    waiting: count(({ run, reason }) => run === null && reason === null),
    active: count(({ status }) => status !== null && !isFinalRun(status)),
    succeeded: count(({ status }) => status === 'succeeded'),
    failed: count(({ status, reason }) => status === 'failed' || reason !== null),
    cancelled: count(({ status }) => status === 'cancelled'),
  };
}

async function requireOpen(tx: Tx, id: string): Promise<void> {
  const backfill = await findBackfill(tx.db, id);
  if (!backfill) throw notFound(id);
  if (backfill.status === 'running' || backfill.status === 'paused') return;
  throw pipelineErrors['backfill-over'](`backfill '${id}' is ${backfill.status}`);
}

function notFound(id: string): KedgeError {
  return pipelineErrors['backfill-not-found'](`there is no backfill '${id}'`);
}

async function requirePartitions(db: Tx['db'] | DomainDeps['db']['reader'], name: string): Promise<Partitioned> {
  const pipeline = await findPipeline(db, name);
  if (!pipeline) throw pipelineErrors['not-found'](`there is no pipeline '${name}': declare it with kedge apply`);
  const { spec } = pipeline;
  if (spec.partitions) return { spec, partitions: spec.partitions };
  throw pipelineErrors['not-partitioned'](`pipeline '${name}' declares no partitions`);
}
