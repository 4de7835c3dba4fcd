import type { Kysely } from 'kysely';
import { assert } from '#core/assert';
import type { AnyTables } from '#ports/sql';
import {
  type AuditDraft,
  type AuditRow,
  chainAudit,
  GENESIS_HASH,
  type LogEnd,
  type ProjectRow,
} from './audit-chain.ts';
import type { EventDraft, PublishedEvent } from './database.ts';
import { statement } from './statement.ts';

type Db = Kysely<AnyTables>;

export interface LogDrafts {
  /** Of the transaction, in epoch milliseconds. */
  readonly time: number;
  readonly audit: readonly AuditDraft[];
  readonly events: readonly EventDraft[];
  /** Where the logs end, if that was read in this transaction already. */
  readonly ends?: Promise<LogEnds> | undefined;
}

/**
 * Appends what a transaction audits and emits. The one row that numbers audit entries and events is read and written
 * once; the store's writers run one at a time, so it is ours in between. Returns the events as they are read again.
 */
export async function appendLogs(
  db: Db,
  { time, audit, events, ends: read }: LogDrafts,
): Promise<readonly PublishedEvent[]> {
  if (audit.length === 0 && events.length === 0) return [];
  const ends = await completed(db, audit, await (read ?? logEnds(db, audit[0]?.project ?? '')));
  const chained = chainAudit(time, audit, ends);
  const eventRows = events.map(({ type, subject, data }, i) => {
    return { seq: ends.events + 1 + i, time, type, subject, data: JSON.stringify(data) };
  });
  const eventSeq = ends.events + events.length;
  // None needs the answer to another, so a store that can sends all of them at once.
  await Promise.all([
    insertAudit(db, chained.rows),
    insertProjectAudit(db, chained.projectRows),
    insertEvent(db, eventRows),
    updateHead(db, { auditSeq: chained.end.seq, auditHash: chained.end.hash, eventSeq }),
  ]);
  return eventRows.map((row) => ({ ...row, data: JSON.parse(row.data) }));
}

/** Where the log of the installation ends, that of events, and those of some projects. */
export interface LogEnds {
  readonly end: LogEnd;
  readonly projects: ReadonlyMap<string, LogEnd>;
  readonly events: number;
}

/** Where the logs end, with that of one project: next to all transactions write to one only. */
export async function logEnds(db: Db, project: string): Promise<LogEnds> {
  const [row] = await selectHead(db, { project });
  assert(row !== undefined, 'the head of the audit log is missing');
  const end = { seq: row.auditSeq, hash: row.auditHash };
  return { end, projects: new Map([[project, endOf(row)]]), events: row.eventSeq };
}

async function completed(db: Db, audit: readonly AuditDraft[], ends: LogEnds): Promise<LogEnds> {
  const projects = new Map(ends.projects);
  for (const { project } of audit) {
    if (!projects.has(project)) projects.set(project, endOf((await selectHead(db, { project }))[0]));
  }
  return { ...ends, projects };
}

function endOf(row: HeadRow | undefined): LogEnd {
  return row?.seq == null || row.hash === null ? { seq: 0, hash: GENESIS_HASH } : { seq: row.seq, hash: row.hash };
}

interface EventRow {
  readonly seq: number;
  readonly time: number;
  readonly type: string;
  readonly subject: string;
  readonly data: string;
}

interface HeadRow {
  readonly auditSeq: number;
  readonly auditHash: string;
  readonly eventSeq: number;
  /** Where the log of the project ends; null before its first entry. */
  readonly seq: number | null;
  readonly hash: string | null;
}

const selectHead = statement(['project'], (db, { project }: { readonly project: string }) =>
  db
    .selectFrom('log_head as h')
    .leftJoin('audit_project as p', (join) =>
      join.on('p.project', '=', project).on('p.seq', '=', (e) =>
        e
          .selectFrom('audit_project')
          .select(({ fn }) => fn.max('seq').as('seq'))
          .where('project', '=', project),
      ),
    )
    .select(['h.audit_seq as auditSeq', 'h.audit_hash as auditHash', 'h.event_seq as eventSeq', 'p.seq', 'p.hash'])
    .where('h.id', '=', 1)
    .$castTo<HeadRow>(),
);

const updateHead = statement(
  ['auditSeq', 'auditHash', 'eventSeq'],
  (db, { auditSeq, auditHash, eventSeq }: Omit<HeadRow, 'seq' | 'hash'>) =>
    db
      .updateTable('log_head')
      .set({ audit_seq: auditSeq, audit_hash: auditHash, event_seq: eventSeq })
      .where('id', '=', 1),
);

const insertAudit = inserting<AuditRow>('audit', ['seq', 'time', 'actor', 'action', 'subject', 'detail', 'hash']);
const insertProjectAudit = inserting<ProjectRow>('audit_project', ['project', 'seq', 'hash', 'entry']);
const insertEvent = inserting<EventRow>('event', ['seq', 'time', 'type', 'subject', 'data']);

/** Inserts rows; the one row of next to all transactions by a statement that is compiled already. */
function inserting<Row extends object>(
  table: string,
  columns: readonly (keyof Row & string)[],
): (db: Db, rows: readonly Row[]) => Promise<void> {
  const insertOne = statement(columns, (db, slots: Row) => db.insertInto(table).values(slots));
  return async (db, rows) => {
    const [first] = rows;
    if (first === undefined) return;
    if (rows.length === 1) await insertOne(db, first);
    else await db.insertInto(table).values(rows).execute();
  };
}
