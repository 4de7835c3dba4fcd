import { assert } from '#core/assert';
import { digestOfJson } from '#core/hash';
import type { Json } from '#core/json';

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

/** Where a log ends. */
export interface LogEnd {
  readonly seq: number;
  readonly hash: string;
}

/** An entry as it is stored, which is its detail as text. */
export interface AuditRow extends Omit<AuditEntry, 'detail'> {
  readonly detail: string;
}

/** The number and the hash that an entry has in the log of its project. */
export interface ProjectRow extends LogEnd {
  readonly project: string;
  readonly entry: number;
}

export interface AppendedAudit {
  readonly rows: readonly AuditRow[];
  readonly projectRows: readonly ProjectRow[];
  readonly end: LogEnd;
}

/**
 * Chains entries to the log of the installation, and each to the log of its project: the same entry under the number
 * and hash that it has in that one. So a project's log stands for itself, and tells nothing of other projects.
 */
export function chainAudit(
  time: number,
  drafts: readonly AuditDraft[],
  { end: { seq, hash }, projects }: { readonly end: LogEnd; readonly projects: ReadonlyMap<string, LogEnd> },
): AppendedAudit {
  const ends = new Map(projects);
  const rows: AuditRow[] = [];
  const projectRows: ProjectRow[] = [];
  for (const { project, actor, action, subject, detail: drafted } of drafts) {
    seq += 1;
    const nameChars = actor.length + action.length + subject.length;
    assert(nameChars <= NAME_CHARS_MAX, `an audit entry has ${nameChars} characters of names; ${NAME_CHARS_MAX} fit`);
    // The stored text is what gets hashed again at verification, so the detail is normalised through JSON first.
    const detail = JSON.stringify(drafted);
    const content = { time, actor, action, subject, detail: JSON.parse(detail) };
    hash = chainHash(hash, { ...content, seq });
    rows.push({ seq, time, actor, action, subject, detail, hash });
    const before = ends.get(project);
    assert(before !== undefined, `the end of the log of project '${project}' is not known`);
    const end = { seq: before.seq + 1, hash: chainHash(before.hash, { ...content, seq: before.seq + 1 }) };
    ends.set(project, end);
    projectRows.push({ ...end, project, entry: seq });
  }
  return { rows, projectRows, end: { seq, hash } };
}
