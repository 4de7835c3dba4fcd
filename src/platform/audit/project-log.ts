import type { Kysely } from 'kysely';
import type { AuditEntry } from '#platform/db';
import type { AnyTables } from '#ports/sql';
import { entryOf, pagesOf } from './audit-log.ts';

/** The entries of one project, each with the number and the hash that it has in the project's own log. */
export class ProjectLog {
  readonly #db: Kysely<AnyTables>;
  readonly #project: string;

  constructor(db: Kysely<AnyTables>, project: string) {
    this.#db = db;
    this.#project = project;
  }

  /** At most `limit` entries after number `after`, in order. */
  async page(after: number, limit: number): Promise<AuditEntry[]> {
    const rows = await this.#db
      .selectFrom('audit_project as p')
      // An entry that was removed from the log of the installation leaves a gap, which verification names.
      .innerJoin('audit as a', 'a.seq', 'p.entry')
      .select(['p.seq', 'p.hash', 'a.time', 'a.actor', 'a.action', 'a.subject', 'a.detail'])
      .where('p.project', '=', this.#project)
      .where('p.seq', '>', after)
      .orderBy('p.seq')
      .limit(limit)
      .execute();
    return rows.map(entryOf);
  }

  /** Every entry in order, read page by page. */
  all(): AsyncIterable<AuditEntry> {
    return pagesOf(this);
  }
}

/** The projects with entries of these numbers of the installation's log, or with any. */
export async function projectsWritten(
  db: Kysely<AnyTables>,
  entries?: { readonly after: number; readonly upTo: number },
): Promise<string[]> {
  if (entries) {
    const rows = await db
      .selectFrom('audit_project')
      .select('project')
      .distinct()
      .where('entry', '>', entries.after)
      .where('entry', '<=', entries.upTo)
      .execute();
    return rows.map((row) => row['project']);
  }
  // One look into the index for each project, however many entries they have.
  const projects: string[] = [];
  for (let after = ''; ; ) {
    const row = await db
      .selectFrom('audit_project')
      .select('project')
      .where('project', '>', after)
      .orderBy('project')
      .limit(1)
      .executeTakeFirst();
    if (!row) return projects;
    after = row['project'];
    projects.push(after);
  }
}
