import type { Kysely } from 'kysely';
import type { Json } from '#core/json';
import type { AuditEntry } from '#platform/db';
import type { AnyTables } from '#ports/sql';

export interface AuditQuery {
  readonly subject?: string | undefined;
  readonly action?: string | undefined;
  /** Leaves out entries with these actions. */
  readonly exceptActions?: readonly string[] | undefined;
  readonly before?: number | undefined;
  readonly limit: number;
}

const PAGE = 1_000;

/** Reads the audit log. Writing happens only inside a transaction of the database. */
export class AuditLog {
  readonly #db: Kysely<AnyTables>;

  constructor(db: Kysely<AnyTables>) {
    this.#db = db;
  }

  /** Newest entries first. */
  async search(query: AuditQuery): Promise<AuditEntry[]> {
    let rows = this.#db.selectFrom('audit').selectAll().orderBy('seq', 'desc').limit(query.limit);
    if (query.subject !== undefined) rows = rows.where('subject', '=', query.subject);
    if (query.action !== undefined) rows = rows.where('action', '=', query.action);
    if (query.exceptActions?.length) rows = rows.where('action', 'not in', query.exceptActions);
    if (query.before !== undefined) rows = rows.where('seq', '<', query.before);
    return (await rows.execute()).map(entryOf);
  }

  /** Every entry in order up to the given number, read page by page. */
  all(upTo = Number.MAX_SAFE_INTEGER): AsyncIterable<AuditEntry> {
    return pagesOf(this, upTo);
  }

  /** At most `limit` entries after number `after`, in order. */
  async page(after: number, limit: number): Promise<AuditEntry[]> {
    const rows = this.#db.selectFrom('audit').selectAll().where('seq', '>', after).orderBy('seq').limit(limit);
    return (await rows.execute()).map(entryOf);
  }

  /** At most `limit` entries about `subject` after number `after`, in order. */
  async about(
    subject: string,
    { after, limit }: { readonly after: number; readonly limit: number },
  ): Promise<AuditEntry[]> {
    const rows = this.#db
      .selectFrom('audit')
      .selectAll()
      .where('subject', '=', subject)
      .where('seq', '>', after)
      .orderBy('seq')
      .limit(limit);
    return (await rows.execute()).map(entryOf);
  }

  /** The entries of these numbers, in order. */
  async numbered(numbers: readonly number[]): Promise<AuditEntry[]> {
    if (numbers.length === 0) return [];
    const rows = this.#db.selectFrom('audit').selectAll().where('seq', 'in', numbers).orderBy('seq');
    return (await rows.execute()).map(entryOf);
  }

  /** The hash of the newest entry, as the database remembers it apart from the entries. */
  async head(): Promise<{ readonly seq: number; readonly hash: string }> {
    const row = await this.#db.selectFrom('log_head').selectAll().where('id', '=', 1).executeTakeFirstOrThrow();
    return { seq: row['audit_seq'], hash: row['audit_hash'] };
  }
}

export async function* pagesOf(log: Pick<AuditLog, 'page'>, upTo = Number.MAX_SAFE_INTEGER): AsyncIterable<AuditEntry> {
  for (let after = 0; ; ) {
    const entries = await log.page(after, PAGE);
    for (const entry of entries) {
      if (entry.seq > upTo) return;
      yield entry;
    }
    const last = entries.at(-1);
    if (last === undefined) return;
    after = last.seq;
  }
}

export function entryOf(row: Record<string, unknown>): AuditEntry {
  return {
    seq: row['seq'] as number,
    time: row['time'] as number,
    actor: row['actor'] as string,
    action: row['action'] as string,
    subject: row['subject'] as string,
    detail: parsed(row['detail'] as string),
    hash: row['hash'] as string,
  };
}

/** A text that is no longer JSON was altered; it is passed on as it stands so that verification names its entry. */
function parsed(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
