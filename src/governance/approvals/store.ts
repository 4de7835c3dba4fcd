import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import { DEFAULT_PROJECT } from '#platform/access';
import type { AnyTables } from '#ports/sql';
import type { ApprovalDecision, ApprovalRequest, ApproverKey } from './contract.ts';

export type Db = Kysely<AnyTables>;

interface RequestTable {
  id: string;
  model: string;
  version: number;
  transition: string;
  target: string;
  reason: string;
  digest: string;
  status: string;
  needed: number;
  requested_by: string;
  requested_at: number;
}

interface DecisionTable {
  request: string;
  number: number;
  approver: string;
  decision: string;
  reason: string;
  key_id: string;
  signature: string;
  decided_at: number;
}

interface KeyTable {
  id: string;
  owner: string;
  public_key: string;
  enrolled_at: number;
  revoked_at: number | null;
}

interface Tables {
  readonly governance_approval_request: RequestTable;
  readonly governance_approval: DecisionTable;
  readonly governance_approver_key: KeyTable;
}

const tables = (db: Db): Kysely<Tables> => db;

export async function insertRequest(db: Db, request: ApprovalRequest): Promise<void> {
  const { decisions: _, requestedBy, requestedAt, ...row } = request;
  await tables(db)
    .insertInto('governance_approval_request')
    .values({ ...row, requested_by: requestedBy, requested_at: requestedAt })
    .execute();
}

export async function findRequest(db: Db, id: string): Promise<ApprovalRequest | undefined> {
  const rows = await tables(db).selectFrom('governance_approval_request').selectAll().where('id', '=', id).execute();
  return (await assembled(db, rows))[0];
}

export interface RequestFilter {
  /** Only of models in this project. */
  readonly project?: string | undefined;
  readonly status?: string | undefined;
  readonly model?: string | undefined;
  readonly version?: number | undefined;
  readonly after?: { readonly at: number; readonly id: string } | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function listRequests(db: Db, filter: RequestFilter): Promise<ApprovalRequest[]> {
  let query = tables(db)
    .selectFrom('governance_approval_request')
    .selectAll()
    .orderBy('requested_at', 'desc')
    .orderBy('id', 'desc')
    .limit(filter.limit);
  const { project, status, model, version, after } = filter;
  if (project !== undefined) query = query.where(inProject(project));
  if (status !== undefined) query = query.where('status', '=', status);
  if (model !== undefined) query = query.where('model', '=', model);
  if (version !== undefined) query = query.where('version', '=', version);
  if (after) query = query.where((e) => e(e.refTuple('requested_at', 'id'), '<', e.tuple(after.at, after.id)));
  return assembled(db, await query.execute());
}

/** Whether the key in the column `model` is of a project. That of a model in `default` has no project before it. */
export function inProject(project: string): RawBuilder<SqlBool> {
  if (project === DEFAULT_PROJECT) return sql<SqlBool>`model not like '%/%'`;
  const prefix = `${project}/`;
  return sql<SqlBool>`substr(model, 1, ${prefix.length}) = ${prefix}`;
}

export async function setRequestStatus(db: Db, id: string, status: ApprovalRequest['status']): Promise<void> {
  await tables(db).updateTable('governance_approval_request').set({ status }).where('id', '=', id).execute();
}

export async function insertDecision(
  db: Db,
  {
    request,
    number,
    decision,
  }: { readonly request: string; readonly number: number; readonly decision: ApprovalDecision },
): Promise<void> {
  const { key, at, ...row } = decision;
  await tables(db)
    .insertInto('governance_approval')
    .values({ ...row, request, number, key_id: key, decided_at: at })
    .execute();
}

export async function insertKey(db: Db, key: ApproverKey): Promise<void> {
  await tables(db)
    .insertInto('governance_approver_key')
    .values({
      id: key.id,
      owner: key.user,
      public_key: key.publicKey,
      enrolled_at: key.enrolledAt,
      revoked_at: key.revokedAt,
    })
    .execute();
}

export async function revokeKey(db: Db, id: string, at: number): Promise<void> {
  await tables(db).updateTable('governance_approver_key').set({ revoked_at: at }).where('id', '=', id).execute();
}

export async function findKey(db: Db, id: string): Promise<ApproverKey | undefined> {
  const row = await tables(db)
    .selectFrom('governance_approver_key')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();
  return row && keyOf(row);
}

/** By user, oldest first. */
export async function listKeys(db: Db, user?: string): Promise<ApproverKey[]> {
  let query = tables(db).selectFrom('governance_approver_key').selectAll().orderBy('owner').orderBy('enrolled_at');
  if (user !== undefined) query = query.where('owner', '=', user);
  return (await query.execute()).map(keyOf);
}

function keyOf(row: KeyTable): ApproverKey {
  const { id, owner: user, public_key: publicKey, enrolled_at: enrolledAt, revoked_at: revokedAt } = row;
  return { id, user, publicKey, enrolledAt, revokedAt };
}

async function assembled(db: Db, rows: readonly RequestTable[]): Promise<ApprovalRequest[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  const given = await tables(db)
    .selectFrom('governance_approval')
    .selectAll()
    .where('request', 'in', ids)
    .orderBy('number')
    .execute();
  return rows.map(({ requested_by: requestedBy, requested_at: requestedAt, ...row }) => ({
    ...row,
    transition: row.transition as ApprovalRequest['transition'],
    status: row.status as ApprovalRequest['status'],
    requestedBy,
    requestedAt,
    decisions: given
      .filter(({ request }) => request === row.id)
      .map(({ approver, decision, reason, key_id: key, signature, decided_at: at }) => ({
        approver,
        decision: decision as ApprovalDecision['decision'],
        ...{ reason, key, signature, at },
      })),
  }));
}
