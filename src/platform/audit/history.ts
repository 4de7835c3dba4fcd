import type { AuditEntry, Database } from '#platform/db';
import { AuditLog } from './audit-log.ts';
import { listParts } from './tree-store.ts';

export interface HistoryQuery {
  readonly subject: string;
  readonly after: number;
  readonly limit: number;
}

export interface HistoryPage {
  readonly items: readonly AuditEntry[];
  /** Present when there may be more. */
  readonly next?: number;
}

/**
 * The entries about a subject and about its parts, oldest first: those about `model/churn` and about each
 * `model-version/churn@…`. What is a part is found out when the log grows, so entries of the last moment may be missing
 * until it did.
 */
export async function historyOf(db: Database, { subject, after, limit }: HistoryQuery): Promise<HistoryPage> {
  const log = new AuditLog(db.reader);
  const own = await log.about(subject, { after, limit: limit + 1 });
  const parts = await log.numbered(await listParts(db.reader, subject, { after, limit: limit + 1 }));
  const merged = [...own, ...parts].sort((a, b) => a.seq - b.seq);
  const items = merged.slice(0, limit);
  const last = items.at(-1);
  return merged.length > limit && last ? { items, next: last.seq } : { items };
}
