import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';
import { inProject } from './approvals/store.ts';
import type { GateDecision, Waiver } from './contract.ts';

export type Db = Kysely<AnyTables>;

interface DecisionTable {
  id: string;
  model: string;
  version: number;
  transition: string;
  target: string;
  actor: string;
  cause: string | null;
  allow: number;
  policies: string;
  satisfied: string;
  missing: string;
  waivers: string;
  evidence_digest: string;
  decided_at: number;
}

interface WaiverTable {
  id: string;
  model: string;
  version: number;
  transition: string;
  target: string;
  items: string;
  reason: string;
  given_by: string;
  given_at: number;
  revoked_by: string | null;
  revoked_at: number | null;
}

interface Tables {
  readonly governance_decision: DecisionTable;
  readonly governance_waiver: WaiverTable;
}

export interface Listing {
  /** Only of models in this project. */
  readonly project?: string | undefined;
  readonly model?: string | undefined;
  readonly version?: number | undefined;
  /** Goes on after this one, in the order of the list: newest first. */
  readonly after?: { readonly at: number; readonly id: string } | undefined;
  readonly limit: number;
}

export async function insertDecision(db: Db, decision: GateDecision): Promise<void> {
  const { evidenceDigest, at, ...rest } = decision;
  await tables(db)
    .insertInto('governance_decision')
    .values({
      ...rest,
      cause: decision.cause && JSON.stringify(decision.cause),
      allow: Number(decision.allow),
      policies: JSON.stringify(decision.policies),
      satisfied: JSON.stringify(decision.satisfied),
      missing: JSON.stringify(decision.missing),
      waivers: JSON.stringify(decision.waivers),
      evidence_digest: evidenceDigest,
      decided_at: at,
    })
    .execute();
}

export async function findDecision(db: Db, id: string): Promise<GateDecision | undefined> {
  const row = await tables(db).selectFrom('governance_decision').selectAll().where('id', '=', id).executeTakeFirst();
  return row && decisionOf(row);
}

export async function listDecisions(
  db: Db,
  listing: Listing & { readonly allow?: boolean | undefined },
): Promise<GateDecision[]> {
  let query = tables(db)
    .selectFrom('governance_decision')
    .selectAll()
    .orderBy('decided_at', 'desc')
    .orderBy('id', 'desc')
    .limit(listing.limit);
  if (listing.project !== undefined) query = query.where(inProject(listing.project));
  if (listing.model !== undefined) query = query.where('model', '=', listing.model);
  if (listing.version !== undefined) query = query.where('version', '=', listing.version);
  if (listing.allow !== undefined) query = query.where('allow', '=', Number(listing.allow));
  const { after } = listing;
  if (after) query = query.where((e) => e(e.refTuple('decided_at', 'id'), '<', e.tuple(after.at, after.id)));
  return (await query.execute()).map(decisionOf);
}

export async function insertWaiver(db: Db, waiver: Waiver): Promise<void> {
  await tables(db)
    .insertInto('governance_waiver')
    .values({
      id: waiver.id,
      model: waiver.model,
      version: waiver.version,
      transition: waiver.transition,
      target: waiver.target,
      items: JSON.stringify(waiver.items),
      reason: waiver.reason,
      given_by: waiver.by,
      given_at: waiver.at,
      revoked_by: null,
      revoked_at: null,
    })
    .execute();
}

export async function revokeWaiver(db: Db, id: string, by: string, at: number): Promise<void> {
  await tables(db)
    .updateTable('governance_waiver')
    .set({ revoked_by: by, revoked_at: at })
    .where('id', '=', id)
    .execute();
}

export async function findWaiver(db: Db, id: string): Promise<Waiver | undefined> {
  const row = await tables(db).selectFrom('governance_waiver').selectAll().where('id', '=', id).executeTakeFirst();
  return row && waiverOf(row);
}

/** The waivers for one version and target that were not revoked, oldest first. */
export async function waiversInForce(
  db: Db,
  of: Pick<Waiver, 'model' | 'version' | 'transition' | 'target'>,
): Promise<Waiver[]> {
  const rows = await tables(db)
    .selectFrom('governance_waiver')
    .selectAll()
    .where('model', '=', of.model)
    .where('version', '=', of.version)
    .where('transition', '=', of.transition)
    .where('target', '=', of.target)
    .where('revoked_at', 'is', null)
    .orderBy('given_at')
    .orderBy('id')
    .execute();
  return rows.map(waiverOf);
}

export async function listWaivers(db: Db, listing: Listing): Promise<Waiver[]> {
  let query = tables(db)
    .selectFrom('governance_waiver')
    .selectAll()
    .orderBy('given_at', 'desc')
    .orderBy('id', 'desc')
    .limit(listing.limit);
  if (listing.project !== undefined) query = query.where(inProject(listing.project));
  if (listing.model !== undefined) query = query.where('model', '=', listing.model);
  if (listing.version !== undefined) query = query.where('version', '=', listing.version);
  const { after } = listing;
  if (after) query = query.where((e) => e(e.refTuple('given_at', 'id'), '<', e.tuple(after.at, after.id)));
  return (await query.execute()).map(waiverOf);
}

function tables(db: Db): Kysely<Tables> {
  return db;
}

function decisionOf(row: DecisionTable): GateDecision {
  const { evidence_digest: evidenceDigest, decided_at: at, ...rest } = row;
  return {
    ...rest,
    transition: row.transition as GateDecision['transition'],
    cause: row.cause === null ? null : JSON.parse(row.cause),
    allow: row.allow === 1,
    policies: JSON.parse(row.policies),
    satisfied: JSON.parse(row.satisfied),
    missing: JSON.parse(row.missing),
    waivers: JSON.parse(row.waivers),
    evidenceDigest,
    at,
  };
}

function waiverOf(row: WaiverTable): Waiver {
  return {
    id: row.id,
    model: row.model,
    version: row.version,
    transition: row.transition as Waiver['transition'],
    target: row.target,
    items: JSON.parse(row.items),
    reason: row.reason,
    by: row.given_by,
    at: row.given_at,
    revokedBy: row.revoked_by,
    revokedAt: row.revoked_at,
  };
}
