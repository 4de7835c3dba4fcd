import type { Transaction } from 'kysely';
import { assert } from '#core/assert';
import { digestOfJson } from '#core/hash';
import type { Json } from '#core/json';
import type { AnyTables } from '#ports/sql';
import { lockHead } from './head.ts';

interface AuditContent {
  readonly subject: string;
  readonly detail: Json;
  readonly actor: string;
  readonly action: string;
}

export interface AuditDraft extends AuditContent {
  readonly project: string;
}

/** One entry as it is hashed and exported. `hash` covers every other field and the hash of the entry before it. */
export interface AuditEntry extends AuditContent {
  readonly seq: number;
  readonly time: number;
  readonly hash: string;
}

export const GENESIS_HASH = `sha256:${'0'.repeat(64)}`;

/** Of action, actor and subject together, so that an entry without its detail always fits into the Merkle log. */
const NAME_CHARS_MAX = 8_000;

/** The hash that chains an entry to its predecessor: SHA-256 over the canonical JSON of both. */
export function chainHash(previous: string, entry: Omit<AuditEntry, 'hash'>): string {
  const { seq, time, actor, action, subject, detail } = entry;
  return digestOfJson({ previous, seq, time, actor, action, subject, detail });
}

/**
 * Appends entries to the log of the installation, and each to the log of its project: the same entry under the number
 * and hash that it has in that one. So a project's log stands for itself, and tells nothing of other projects.
 */
export async function appendAudit(
  trx: Transaction<AnyTables>,
  time: number,
  drafts: readonly AuditDraft[],
): Promise<void> {
  const head = await lockHead(trx);
  let { audit_seq: seq, audit_hash: hash } = head;
  const rows = drafts.map((draft) => {
    seq += 1;
    const nameChars = draft.actor.length + draft.action.length + draft.subject.length;
    assert(nameChars <= NAME_CHARS_MAX, `an audit entry has ${nameChars} characters of names; ${NAME_CHARS_MAX} fit`);
    // The stored text is what gets hashed again at verification, so the detail is normalised through JSON first.
    const detail = JSON.stringify(draft.detail);
    hash = chainHash(hash, { ...draft, detail: JSON.parse(detail), seq, time });
    return { seq, time, actor: draft.actor, action: draft.action, subject: draft.subject, detail, hash };
  });
  await trx.insertInto('audit').values(rows).execute();
  const entries = rows.map((row, i) => ({ ...row, detail: JSON.parse(row.detail), project: drafts[i]?.project ?? '' }));
  await appendToProjects(trx, entries);
  const { numUpdatedRows } = await trx
    .updateTable('log_head')
    .set({ audit_seq: seq, audit_hash: hash })
    .where('id', '=', 1)
    .executeTakeFirstOrThrow();
  assert(numUpdatedRows === 1n, 'the head of the audit log is missing');
}

async function appendToProjects(
  trx: Transaction<AnyTables>,
  entries: readonly (AuditDraft & Pick<AuditEntry, 'seq' | 'time'>)[],
): Promise<void> {
  const heads = new Map<string, { readonly seq: number; readonly hash: string }>();
  const rows: { project: string; seq: number; hash: string; entry: number }[] = [];
  for (const { project, seq: entry, ...content } of entries) {
    const head = heads.get(project) ?? (await projectHead(trx, project));
    const seq = head.seq + 1;
    const hash = chainHash(head.hash, { ...content, seq });
    heads.set(project, { seq, hash });
    rows.push({ project, seq, hash, entry });
  }
  await trx.insertInto('audit_project').values(rows).execute();
}

async function projectHead(trx: Transaction<AnyTables>, project: string): Promise<{ seq: number; hash: string }> {
  const row = await trx
    .selectFrom('audit_project')
    .select(['seq', 'hash'])
    .where('project', '=', project)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row ? { seq: row['seq'], hash: row['hash'] } : { seq: 0, hash: GENESIS_HASH };
}
