import { AuditLog } from '#platform/audit';
import type { Context, Tx } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import type { IncidentView } from './contract.ts';
import { automationErrors } from './errors.ts';
import { incidentOpened, incidentResolved } from './events.ts';
import { findIncident, insertIncident, listIncidents, updateIncident } from './store.ts';

const FACTS_MAX = 200;
const CHANGES_MAX = 10;
/** Actions that say nothing about what was changed: they happen all the time, or are automation's own. */
const ROUTINE = [
  'dataset.commit',
  'gate.decide',
  'incident.open',
  'label.record',
  'pipeline-lease.expire',
  'pipeline-run.start',
  'pipeline-step.finish',
  'prediction.record',
  'rule.decide',
  'skew.audit',
  'tracking-run.create',
  'tracking-run.finish',
  'tracking-run.log',
  'tracking-run.put-artifact',
  'watermark.advance',
  'work.heartbeat',
  'work.lease',
  'work.leave',
  'work.log',
];

export interface Trouble {
  /** What is in trouble, such as `endpoint/delay`. Trouble of one subject is one incident until it is resolved. */
  readonly subject: string;
  readonly title: string;
  readonly severity: IncidentView['severity'];
  /** Event time in epoch milliseconds; null when the event has none. */
  readonly at: number | null;
  readonly fact: string;
  readonly advice: string;
}

export class Incidents {
  readonly #deps: DomainDeps;

  constructor(deps: DomainDeps) {
    this.#deps = deps;
  }

  /** Opens an incident, or adds the fact to the one that is open for the subject. */
  async report(tx: Tx, trouble: Trouble): Promise<void> {
    const at = trouble.at ?? tx.now;
    const open = await findIncident(tx.db, { openSubject: trouble.subject });
    if (open) {
      const facts = [...open.facts, { at, text: trouble.fact }].slice(-FACTS_MAX);
      return updateIncident(tx.db, { ...open, facts });
    }
    const incident: IncidentView = {
      incident: this.#deps.system.ids.next('incident'),
      subject: trouble.subject,
      title: trouble.title,
      severity: trouble.severity,
      status: 'open',
      at,
      openedAt: tx.now,
      resolvedAt: null,
      facts: [{ at, text: trouble.fact }],
      changes: await recentChanges(tx),
      advice: trouble.advice,
    };
    await insertIncident(tx.db, incident);
    const { title, severity } = trouble;
    tx.emit(incidentOpened.draft(trouble.subject, { incident: incident.incident, title, severity, at }));
    tx.audit(trouble.subject, { incident: incident.incident, title });
  }

  /** Resolves the incident that is open for a subject, if there is one, because the trouble is over by itself. */
  async recover(tx: Tx, subject: string, fact: string): Promise<void> {
    const open = await findIncident(tx.db, { openSubject: subject });
    if (!open) return;
    const facts = [...open.facts, { at: tx.now, text: fact }].slice(-FACTS_MAX);
    await updateIncident(tx.db, { ...open, status: 'resolved', resolvedAt: tx.now, facts });
    tx.emit(incidentResolved.draft(subject, { incident: open.incident, note: fact }));
    tx.audit(subject, { incident: open.incident, note: fact });
  }

  list(filter: { readonly status?: string | undefined; readonly limit: number }): Promise<IncidentView[]> {
    return listIncidents(this.#deps.db.reader, filter);
  }

  async resolve(context: Context, id: string, note: string): Promise<IncidentView> {
    return this.#deps.db.transact(context, async (tx) => {
      const found = await findIncident(tx.db, { incident: id });
      if (!found) throw automationErrors['incident-not-found'](`there is no incident '${id}'`);
      const facts = [...found.facts, { at: tx.now, text: `resolved by ${context.actor.id}: ${note}` }];
      const resolved: IncidentView = { ...found, status: 'resolved', resolvedAt: tx.now, facts };
      if (found.status === 'open') {
        await updateIncident(tx.db, resolved);
        tx.emit(incidentResolved.draft(found.subject, { incident: id, note }));
      }
      tx.audit(found.subject, { incident: id, note });
      return found.status === 'open' ? resolved : found;
    });
  }
}

/** What people and controllers changed before: the first question of whoever is on call. */
async function recentChanges(tx: Tx): Promise<IncidentView['changes']> {
  const entries = await new AuditLog(tx.db).search({ exceptActions: ROUTINE, limit: CHANGES_MAX });
  return entries.map(({ time, actor, action, subject }) => ({ at: time, actor, action, subject }));
}
