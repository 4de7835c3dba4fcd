import type { Kysely } from 'kysely';
import type { Cause } from '#core/cause';
import type { FeaturePlan } from '#features';
import type { AnyTables } from '#ports/sql';
import type { BlockPoint, DecisionView, EndpointSpec } from './contract.ts';
import { isActive, isFinal, type RolloutPlan, type RolloutState } from './model.ts';
import type { Arm } from './routing.ts';

interface Tables {
  readonly serving_endpoint: {
    name: string;
    spec: string;
    current_version: number | null;
    current_since: number | null;
    locked: number;
    lock_reason: string | null;
    features: string | null;
  };
  readonly serving_revision: {
    model: string;
    version: number;
    digest: string;
    signature: string;
    parts: string | null;
    tensors: string | null;
  };
  readonly serving_rollout: {
    id: string;
    endpoint: string;
    number: number;
    model: string;
    current_version: number | null;
    candidate_version: number;
    stage: string;
    state: string;
    plan: string;
    reason: string | null;
    cause: string;
    started_at: number;
    finished_at: number | null;
    active_on: string | null;
  };
  readonly serving_decision: { rollout: string; number: number; decision: string };
  readonly serving_block: { rollout: string; start: number; block: string };
  readonly serving_routing: { id: number; version: number };
}

type Db = Kysely<AnyTables>;

export interface Endpoint {
  readonly name: string;
  readonly spec: EndpointSpec;
  readonly current: { readonly version: number; readonly since: number } | null;
  readonly locked: boolean;
  readonly lockReason: string | null;
  readonly features: FeaturePlan | null;
}

export interface Rollout {
  readonly id: string;
  readonly endpoint: string;
  /** Counts the rollouts of the endpoint, from 1. */
  readonly number: number;
  readonly model: string;
  readonly current: number | null;
  readonly candidate: number;
  readonly state: RolloutState;
  readonly plan: RolloutPlan;
  /** Why the gate was waived, for a forced one. */
  readonly reason: string | null;
  readonly cause: Cause;
  readonly startedAt: number;
  readonly finishedAt: number | null;
}

export async function findEndpoint(db: Db, name: string): Promise<Endpoint | undefined> {
  const row = await tables(db).selectFrom('serving_endpoint').selectAll().where('name', '=', name).executeTakeFirst();
  return row && endpointFrom(row);
}

export async function listEndpoints(db: Db): Promise<Endpoint[]> {
  const rows = await tables(db).selectFrom('serving_endpoint').selectAll().orderBy('name').limit(10_000).execute();
  return rows.map(endpointFrom);
}

/** Writes the spec and keeps what was observed. */
export async function saveEndpoint(db: Db, name: string, spec: EndpointSpec): Promise<void> {
  const text = JSON.stringify(spec);
  await tables(db)
    .insertInto('serving_endpoint')
    .values({
      ...{ name, spec: text, current_version: null, current_since: null },
      ...{ locked: 0, lock_reason: null, features: null },
    })
    .onConflict((c) => c.column('name').doUpdateSet({ spec: text }))
    .execute();
}

export async function updateEndpoint(
  db: Db,
  name: string,
  change: Partial<Pick<Endpoint, 'current' | 'features'>> & { readonly lock?: string | null },
): Promise<void> {
  const { current, features, lock } = change;
  await tables(db)
    .updateTable('serving_endpoint')
    .set({
      ...(current ? { current_version: current.version, current_since: current.since } : {}),
      ...(features === undefined ? {} : { features: features && JSON.stringify(features) }),
      ...(lock === undefined ? {} : { locked: lock === null ? 0 : 1, lock_reason: lock }),
    })
    .where('name', '=', name)
    .execute();
}

export async function deleteEndpoint(db: Db, name: string): Promise<void> {
  await tables(db).deleteFrom('serving_endpoint').where('name', '=', name).execute();
}

/** Versions never change, so a revision is written once. */
export async function saveRevision(db: Db, arm: Arm): Promise<void> {
  const { model, version, digest, signature, parts, tensors: ofTensors } = arm;
  await tables(db)
    .insertInto('serving_revision')
    .values({
      ...{ model, version, digest },
      signature: JSON.stringify(signature),
      parts: parts ? JSON.stringify(parts) : null,
      tensors: ofTensors ? JSON.stringify(ofTensors) : null,
    })
    .onConflict((c) => c.columns(['model', 'version']).doNothing())
    .execute();
}

export async function findRevision(db: Db, model: string, version: number): Promise<Arm | undefined> {
  const row = await tables(db)
    .selectFrom('serving_revision')
    .selectAll()
    .where('model', '=', model)
    .where('version', '=', version)
    .executeTakeFirst();
  if (!row) return undefined;
  const { digest, signature, parts, tensors: ofTensors } = row;
  return {
    revision: `${model}@${version}`,
    model,
    version,
    digest: digest as Arm['digest'],
    signature: JSON.parse(signature),
    ...(parts === null ? {} : { parts: JSON.parse(parts) }),
    ...(ofTensors === null ? {} : { tensors: JSON.parse(ofTensors) }),
  };
}

export async function insertRollout(db: Db, rollout: Omit<Rollout, 'number'>): Promise<Rollout> {
  const { endpoint } = rollout;
  const last = await tables(db)
    .selectFrom('serving_rollout')
    .select((e) => e.fn.max('number').as('number'))
    .where('endpoint', '=', endpoint)
    .executeTakeFirst();
  const number = Number(last?.number ?? 0) + 1;
  const { id, model, current, candidate, plan, reason, cause, startedAt } = rollout;
  await tables(db)
    .insertInto('serving_rollout')
    .values({
      ...{ id, endpoint, number, model, current_version: current, candidate_version: candidate },
      ...{ plan: JSON.stringify(plan), reason, cause: JSON.stringify(cause), started_at: startedAt },
      ...stateColumns(rollout),
    })
    .execute();
  return { ...rollout, number };
}

/**
 * Writes the state, what it is compared with, which a queued rollout learns when it begins, and for which version it
 * stands, which of several is known at its end.
 */
export async function updateRollout(db: Db, rollout: Rollout): Promise<void> {
  await tables(db)
    .updateTable('serving_rollout')
    .set({ ...stateColumns(rollout), current_version: rollout.current, candidate_version: rollout.candidate })
    .where('id', '=', rollout.id)
    .execute();
}

function stateColumns({ endpoint, state, finishedAt }: Pick<Rollout, 'endpoint' | 'state' | 'finishedAt'>) {
  return {
    stage: state.stage,
    state: JSON.stringify(state),
    finished_at: isFinal(state.stage) ? finishedAt : null,
    active_on: isActive(state.stage) ? endpoint : null,
  };
}

export async function findRollout(db: Db, id: string): Promise<Rollout | undefined> {
  const row = await tables(db).selectFrom('serving_rollout').selectAll().where('id', '=', id).executeTakeFirst();
  return row && rolloutFrom(row);
}

export async function activeRollout(db: Db, endpoint: string): Promise<Rollout | undefined> {
  const row = await tables(db)
    .selectFrom('serving_rollout')
    .selectAll()
    .where('active_on', '=', endpoint)
    .executeTakeFirst();
  return row && rolloutFrom(row);
}

export async function queuedRollout(db: Db, endpoint: string): Promise<Rollout | undefined> {
  const row = await tables(db)
    .selectFrom('serving_rollout')
    .selectAll()
    .where('endpoint', '=', endpoint)
    .where('stage', '=', 'queued')
    .orderBy('number', 'desc')
    .executeTakeFirst();
  return row && rolloutFrom(row);
}

/** The newest rollout that gave its candidate all requests and has not taken them back. */
export async function promotedRollout(db: Db, endpoint: string): Promise<Rollout | undefined> {
  const row = await tables(db)
    .selectFrom('serving_rollout')
    .selectAll()
    .where('endpoint', '=', endpoint)
    .where('stage', 'in', ['probation', 'completed'])
    .orderBy('number', 'desc')
    .executeTakeFirst();
  return row && rolloutFrom(row);
}

/** The version that the current one of an endpoint took the place of. */
export async function previousVersion(db: Db, endpoint: string, current: number): Promise<number | undefined> {
  const row = await tables(db)
    .selectFrom('serving_rollout')
    .select('current_version')
    .where('endpoint', '=', endpoint)
    .where('stage', '=', 'completed')
    .where('candidate_version', '=', current)
    .orderBy('number', 'desc')
    .executeTakeFirst();
  return row?.current_version ?? undefined;
}

export async function hasRolloutOf(db: Db, endpoint: string, candidate: number): Promise<boolean> {
  const row = await tables(db)
    .selectFrom('serving_rollout')
    .select('id')
    .where('endpoint', '=', endpoint)
    .where('candidate_version', '=', candidate)
    .executeTakeFirst();
  return row !== undefined;
}

/** Newest first, those before the number `before`. */
export async function listRollouts(
  db: Db,
  endpoint: string,
  { before, limit }: { readonly before: number | undefined; readonly limit: number },
): Promise<Rollout[]> {
  let query = tables(db).selectFrom('serving_rollout').selectAll().where('endpoint', '=', endpoint);
  if (before !== undefined) query = query.where('number', '<', before);
  return (await query.orderBy('number', 'desc').limit(limit).execute()).map(rolloutFrom);
}

export async function insertDecision(db: Db, rollout: string, decision: DecisionView): Promise<void> {
  const number = (await listDecisions(db, rollout)).length + 1;
  await tables(db)
    .insertInto('serving_decision')
    .values({ rollout, number, decision: JSON.stringify(decision) })
    .execute();
}

/** Oldest first. A rollout has at most one for each stage and canary step. */
export async function listDecisions(db: Db, rollout: string): Promise<DecisionView[]> {
  const rows = await tables(db)
    .selectFrom('serving_decision')
    .select('decision')
    .where('rollout', '=', rollout)
    .orderBy('number')
    .execute();
  return rows.map((row) => JSON.parse(row.decision));
}

export async function insertBlock(db: Db, rollout: string, block: BlockPoint): Promise<void> {
  await tables(db)
    .insertInto('serving_block')
    .values({ rollout, start: block.start, block: JSON.stringify(block) })
    .execute();
}

const BLOCKS_MAX = 10_000;

/** Oldest first; a rollout of more than a year of hours shows its first ones. */
export async function listBlocks(db: Db, rollout: string): Promise<BlockPoint[]> {
  const rows = await tables(db)
    .selectFrom('serving_block')
    .select('block')
    .where('rollout', '=', rollout)
    .orderBy('start')
    .limit(BLOCKS_MAX)
    .execute();
  return rows.map((row) => JSON.parse(row.block));
}

export async function routingVersion(db: Db): Promise<number> {
  const row = await tables(db)
    .selectFrom('serving_routing')
    .select('version')
    .where('id', '=', 1)
    .executeTakeFirstOrThrow();
  return row.version;
}

export async function nextRoutingVersion(db: Db): Promise<number> {
  const row = await tables(db)
    .updateTable('serving_routing')
    .set((e) => ({ version: e('version', '+', 1) }))
    .where('id', '=', 1)
    .returning('version')
    .executeTakeFirstOrThrow();
  return row.version;
}

function tables(db: Db): Kysely<Tables> {
  return db;
}

function endpointFrom(row: Tables['serving_endpoint']): Endpoint {
  const { name, current_version: version, current_since: since } = row;
  return {
    name,
    spec: JSON.parse(row.spec),
    current: version === null || since === null ? null : { version, since },
    locked: row.locked === 1,
    lockReason: row.lock_reason,
    features: row.features === null ? null : JSON.parse(row.features),
  };
}

function rolloutFrom(row: Tables['serving_rollout']): Rollout {
  return {
    id: row.id,
    endpoint: row.endpoint,
    number: row.number,
    model: row.model,
    current: row.current_version,
    candidate: row.candidate_version,
    state: JSON.parse(row.state),
    plan: JSON.parse(row.plan),
    reason: row.reason,
    cause: JSON.parse(row.cause),
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}
