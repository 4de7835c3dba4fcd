import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';
import type { DecisionView, IncidentView } from './contract.ts';
import { initialRuleState, type RuleState } from './model.ts';

interface Tables {
  readonly rule_state: { rule: string; state: string };
  readonly rule_decision: {
    decision: string;
    rule: string;
    outcome: string;
    at: number;
    reason: string;
    run: string | null;
  };
  readonly incident: {
    incident: string;
    subject: string;
    title: string;
    severity: string;
    status: string;
    at: number;
    opened_at: number;
    resolved_at: number | null;
    facts: string;
    changes: string;
    advice: string;
  };
}

type Db = Kysely<AnyTables>;
const tables = (db: Db): Kysely<Tables> => db;

export async function loadState(db: Db, rule: string): Promise<RuleState> {
  const row = await tables(db).selectFrom('rule_state').selectAll().where('rule', '=', rule).executeTakeFirst();
  return row ? JSON.parse(row.state) : initialRuleState;
}

export async function saveState(db: Db, rule: string, state: RuleState): Promise<void> {
  const text = JSON.stringify(state);
  await tables(db)
    .insertInto('rule_state')
    .values({ rule, state: text })
    .onConflict((c) => c.column('rule').doUpdateSet({ state: text }))
    .execute();
}

export async function removeState(db: Db, rule: string): Promise<void> {
  await tables(db).deleteFrom('rule_state').where('rule', '=', rule).execute();
}

export async function insertDecision(db: Db, decision: DecisionView): Promise<void> {
  await tables(db).insertInto('rule_decision').values(decision).execute();
}

export async function listDecisions(
  db: Db,
  filter: { readonly rule?: string | undefined; readonly limit: number },
): Promise<DecisionView[]> {
  let query = tables(db)
    .selectFrom('rule_decision')
    .selectAll()
    .orderBy('at', 'desc')
    .orderBy('decision', 'desc')
    .limit(filter.limit);
  if (filter.rule !== undefined) query = query.where('rule', '=', filter.rule);
  const rows = await query.execute();
  return rows.map((row) => ({ ...row, outcome: row.outcome as DecisionView['outcome'] }));
}

export async function insertIncident(db: Db, incident: IncidentView): Promise<void> {
  await tables(db)
    .insertInto('incident')
    .values({
      incident: incident.incident,
      subject: incident.subject,
      title: incident.title,
      severity: incident.severity,
      status: incident.status,
      at: incident.at,
      opened_at: incident.openedAt,
      resolved_at: incident.resolvedAt,
      facts: JSON.stringify(incident.facts),
      changes: JSON.stringify(incident.changes),
      advice: incident.advice,
    })
    .execute();
}

export async function updateIncident(db: Db, incident: IncidentView): Promise<void> {
  await tables(db)
    .updateTable('incident')
    .set({ status: incident.status, resolved_at: incident.resolvedAt, facts: JSON.stringify(incident.facts) })
    .where('incident', '=', incident.incident)
    .execute();
}

export async function findIncident(
  db: Db,
  where: { readonly incident: string } | { readonly openSubject: string },
): Promise<IncidentView | undefined> {
  let query = tables(db).selectFrom('incident').selectAll();
  query =
    'incident' in where
      ? query.where('incident', '=', where.incident)
      : query.where('subject', '=', where.openSubject).where('status', '=', 'open');
  const row = await query.executeTakeFirst();
  return row && incidentOf(row);
}

export async function listIncidents(
  db: Db,
  filter: { readonly status?: string | undefined; readonly limit: number },
): Promise<IncidentView[]> {
  let query = tables(db)
    .selectFrom('incident')
    .selectAll()
    .orderBy('opened_at', 'desc')
    .orderBy('incident', 'desc')
    .limit(filter.limit);
  if (filter.status !== undefined) query = query.where('status', '=', filter.status);
  return (await query.execute()).map(incidentOf);
}

function incidentOf(row: Tables['incident']): IncidentView {
  return {
    incident: row.incident,
    subject: row.subject,
    title: row.title,
    severity: row.severity as IncidentView['severity'],
    status: row.status as IncidentView['status'],
    at: row.at,
    openedAt: row.opened_at,
    resolvedAt: row.resolved_at,
    facts: JSON.parse(row.facts),
    changes: JSON.parse(row.changes),
    advice: row.advice,
  };
}
