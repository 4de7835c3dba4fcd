import type { Kysely } from 'kysely';
import { type Digest, digestOfJson } from '#core/hash';
import { canonicalJson, type Json } from '#core/json';
import { statement } from '#platform/db';
import type { Artifact } from '../contract.ts';
import type { StepStatus } from '../model.ts';
import type { StepAddress, StepDefinition } from '../store/steps.ts';
import { type Db, tables as storedTables } from '../store/tables.ts';
import { stepOfUnit } from '../units.ts';
import type { Environment } from './environment.ts';
import type { Source } from './source.ts';

interface Tables {
  readonly pipeline_run_origin: { run: string; source: string | null; reproduces: string | null };
  readonly pipeline_environment: { digest: string; body: string };
  readonly pipeline_step_environment: { run: string; step: string; environment: string };
  readonly pipeline_run_record: { run: string; digest: string; body: string; sealed_at: number };
}

function tables(db: Db): Kysely<Tables> {
  return db;
}

/** What a run was made from, beside its parameters: it does not change. */
export interface RunOrigin {
  readonly source: Source | undefined;
  /** The run that this one repeats to compare what comes out. */
  readonly reproduces: string | undefined;
}

export async function saveOrigin(db: Db, run: string, { source, reproduces }: Partial<RunOrigin>): Promise<void> {
  if (!source && reproduces === undefined) return;
  const row = { run, source: source ? JSON.stringify(source) : null, reproduces: reproduces ?? null };
  await tables(db).insertInto('pipeline_run_origin').values(row).execute();
}

export async function originOf(db: Db, run: string): Promise<RunOrigin> {
  const [row] = await selectOrigin(db, { run });
  return { source: row?.source ? JSON.parse(row.source) : undefined, reproduces: row?.reproduces ?? undefined };
}

const selectOrigin = statement(['run'], (db, { run }: { readonly run: string }) =>
  tables(db).selectFrom('pipeline_run_origin').selectAll().where('run', '=', run),
);

/** Notes where an attempt of a step, or of a unit of it, ran. */
export async function saveEnvironment(
  db: Db,
  of: { readonly run: string; readonly step: string },
  environment: Environment,
): Promise<void> {
  const digest = digestOfJson(environment);
  await insertEnvironment(db, { digest, body: canonicalJson(environment) });
  await insertStepEnvironment(db, { run: of.run, step: stepOfUnit(of.step) ?? of.step, environment: digest });
}

const insertEnvironment = statement(['digest', 'body'], (db, row: Tables['pipeline_environment']) =>
  tables(db)
    .insertInto('pipeline_environment')
    .values(row)
    .onConflict((c) => c.doNothing()),
);

const insertStepEnvironment = statement(
  ['run', 'step', 'environment'],
  (db, row: Tables['pipeline_step_environment']) =>
    tables(db)
      .insertInto('pipeline_step_environment')
      .values(row)
      .onConflict((c) => c.doNothing()),
);

/** Where the steps of a run ran: by step, the digests of the environments of all attempts, and what they stand for. */
export async function environmentsOf(
  db: Db,
  run: string,
  step?: string,
): Promise<{ readonly bySteps: Map<string, Digest[]>; readonly environments: Record<string, Environment> }> {
  const rows = step === undefined ? await selectEnvironments(db, run).execute() : await selectWhere(db, { run, step });
  const bySteps = new Map<string, Digest[]>();
  const environments: Record<string, Environment> = {};
  for (const { step, digest, body } of rows) {
    bySteps.set(step, [...(bySteps.get(step) ?? []), digest as Digest]);
    environments[digest] ??= JSON.parse(body);
  }
  return { bySteps, environments };
}

function selectEnvironments(db: Db, run: string) {
  return tables(db)
    .selectFrom('pipeline_step_environment as s')
    .innerJoin('pipeline_environment as e', 'e.digest', 's.environment')
    .select(['s.step', 'e.digest', 'e.body'])
    .where('s.run', '=', run)
    .orderBy('s.step')
    .orderBy('e.digest');
}

const selectWhere = statement(['run', 'step'], (db, { run, step }: StepAddress) =>
  selectEnvironments(db, run).where('s.step', '=', step),
);

export interface SealedRecord {
  readonly digest: Digest;
  readonly body: Json;
  readonly sealedAt: number;
}

export async function findRecord(db: Db, run: string): Promise<SealedRecord | undefined> {
  const row = await tables(db).selectFrom('pipeline_run_record').selectAll().where('run', '=', run).executeTakeFirst();
  return row && { digest: row.digest as Digest, body: JSON.parse(row.body), sealedAt: row.sealed_at };
}

export async function insertRecord(db: Db, run: string, sealed: { digest: Digest; text: string; at: number }) {
  const row = { run, digest: sealed.digest, body: sealed.text, sealed_at: sealed.at };
  await tables(db).insertInto('pipeline_run_record').values(row).execute();
}

/** When a step ran, and its cache key with what went into it; null for a step without one. */
export interface StepKey {
  readonly key: Digest | null;
  readonly ingredients: Json;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

export async function stepKeys(db: Db, run: string): Promise<ReadonlyMap<string, StepKey>> {
  const rows = await storedTables(db)
    .selectFrom('pipeline_step')
    .select(['name', 'cache_key', 'ingredients', 'started_at', 'finished_at'])
    .where('run', '=', run)
    .where('parent', 'is', null)
    .execute();
  return new Map(
    rows.map((row) => {
      const ingredients = JSON.parse(row.ingredients ?? 'null');
      const times = { startedAt: row.started_at, finishedAt: row.finished_at };
      return [row.name, { key: row.cache_key as Digest | null, ingredients, ...times }];
    }),
  );
}

/** A step of a run with what it was given and what it made, as far as that is known. */
export interface StepFacts {
  readonly step: string;
  readonly status: StepStatus;
  readonly needs: readonly string[];
  readonly definition: StepDefinition;
  readonly inputs: Readonly<Record<string, Artifact>>;
  readonly outputs: Readonly<Record<string, Artifact>>;
  readonly result: Json;
  readonly metrics: Readonly<Record<string, number>>;
  readonly reason: string | null;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly cachedFrom: string | null;
}

/** The steps of a run, or one of them, in the order in which they were declared; not their units. */
export async function stepFacts(db: Db, run: string, step?: string): Promise<StepFacts[]> {
  const rows = step === undefined ? await selectSteps(db, run).execute() : await selectStep(db, { run, step });
  return rows.map((row) => ({
    step: row.name,
    status: row.status as StepStatus,
    needs: JSON.parse(row.needs),
    definition: JSON.parse(row.definition),
    inputs: JSON.parse(row.inputs ?? '{}'),
    outputs: JSON.parse(row.outputs),
    result: JSON.parse(row.result),
    metrics: JSON.parse(row.metrics),
    reason: row.reason,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    cachedFrom: row.cached_from,
  }));
}

function selectSteps(db: Db, run: string) {
  return storedTables(db)
    .selectFrom('pipeline_step')
    .selectAll()
    .where('run', '=', run)
    .where('parent', 'is', null)
    .orderBy('position');
}

const selectStep = statement(['run', 'step'], (db, { run, step }: StepAddress) =>
  selectSteps(db, run).where('name', '=', step),
);

/** An attempt that a worker has now; of a divided step, one of those of its units. */
export interface LiveAttempt {
  readonly run: string;
  readonly step: string;
  readonly epoch: number;
  readonly startedAt: number;
}

/** The attempts that go on, with the units of a step under its name; the longest running first. */
export async function liveAttempts(db: Db, limit: number): Promise<LiveAttempt[]> {
  const rows = await storedTables(db)
    .selectFrom('pipeline_attempt')
    .select(['run', 'step', 'epoch', 'started_at'])
    .where('status', '=', 'running')
    .orderBy('started_at')
    .limit(limit)
    .execute();
  return rows.map(({ run, step, epoch, started_at: startedAt }) => {
    const parent = stepOfUnit(step);
    return { run, step: parent ?? step, epoch: parent === undefined ? epoch : 1, startedAt };
  });
}
