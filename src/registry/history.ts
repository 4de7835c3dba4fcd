import type { AuditLog } from '#platform/audit';
import type { Page } from '#platform/contract';
import type { AuditEntry } from '#platform/db';
import { modelSubject, versionSubject } from './model.ts';
import { numberCursor, type PageQuery, page } from './pages.ts';

/** Under which names the history of a model is followed back. */
const NAMES_MAX = 20;

/** A name that the model had, and the number of the entry by which it gave it up. */
interface FormerName {
  readonly model: string;
  readonly before: number | undefined;
}

/**
 * What was done to a model, or to a version of it, newest first. What was done under a former name is told too, up to
 * the rename: what others do later under a name that became free is theirs.
 */
export async function historyOf(
  audit: AuditLog,
  { model, version }: { readonly model: string; readonly version?: number },
  query: PageQuery,
): Promise<Page<AuditEntry>> {
  const after = numberCursor(query.after);
  const limit = query.limit + 1;
  const entries: AuditEntry[] = [];
  for (const { model: name, before } of await namesOf(audit, model)) {
    const subject = version === undefined ? modelSubject(name) : versionSubject(name, version);
    entries.push(...(await audit.search({ subject, before: lower(before, after), limit })));
  }
  const newest = entries.sort((a, b) => b.seq - a.seq).slice(0, limit);
  return page(newest, query.limit, (entry) => String(entry.seq));
}

async function namesOf(audit: AuditLog, model: string): Promise<FormerName[]> {
  const names: FormerName[] = [{ model, before: undefined }];
  for (const { model: name, before } of names) {
    const renames = { subject: modelSubject(name), action: 'model.rename', before, limit: NAMES_MAX };
    for (const { seq, detail } of await audit.search(renames)) {
      const former = (detail as { readonly renamedFrom?: unknown } | null)?.renamedFrom;
      if (typeof former === 'string' && names.length < NAMES_MAX) names.push({ model: former, before: seq });
    }
  }
  return names;
}

function lower(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}
