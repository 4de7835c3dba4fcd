import { type AuditEntry, chainHash, GENESIS_HASH } from '#platform/db';
import type { AuditLog } from './audit-log.ts';

export type Verdict =
  | { readonly ok: true; readonly entries: number; readonly head: string }
  | { readonly ok: false; readonly entries: number; readonly seq: number; readonly reason: string };

const FIELDS = ['action', 'actor', 'detail', 'hash', 'seq', 'subject', 'time'].join();

/**
 * Walks a chain from its first entry and recomputes every hash. Stops at the first entry that was altered, removed,
 * added or moved. `expectedHead` (from an earlier export or a second place) also catches entries cut off the end.
 */
export async function verifyChain(entries: AsyncIterable<AuditEntry>, expectedHead?: string): Promise<Verdict> {
  let previous = GENESIS_HASH;
  let count = 0;
  const broken = (seq: number, reason: string): Verdict => ({ ok: false, entries: count, seq, reason });
  for await (const entry of entries) {
    if (!isEntry(entry)) return broken(count + 1, `entry ${count + 1} is not an entry of the audit log`);
    if (entry.seq !== count + 1) {
      return broken(count + 1, `entry ${count + 1} is missing: found ${entry.seq}`);
    }
    const { hash, ...content } = entry;
    if (chainHash(previous, content) !== hash) return broken(entry.seq, `entry ${entry.seq} does not match its hash`);
    previous = hash;
    count += 1;
  }
  if (expectedHead !== undefined && previous !== expectedHead) {
    return broken(count + 1, `the log does not end at its recorded head: entries after ${count} are missing or added`);
  }
  return { ok: true, entries: count, head: previous };
}

/** Verifies the log of a database against the head that it keeps apart, also while entries are being added. */
export async function verifyLog(log: AuditLog): Promise<Verdict> {
  const head = await log.head();
  const verdict = await verifyChain(log.all(head.seq), head.hash);
  if (!verdict.ok) return verdict;
  // An entry and the head that counts it are committed together, so an entry beyond the head was put there by others.
  const [newest] = await log.search({ limit: 1 });
  const now = await log.head();
  if (newest === undefined || newest.seq <= now.seq) return verdict;
  const reason = `entry ${newest.seq} lies beyond the recorded head, which is entry ${now.seq}`;
  return { ok: false, entries: verdict.entries, seq: now.seq + 1, reason };
}

/** What comes from a file may be anything. A field beside those that are hashed would claim something unproved. */
function isEntry(entry: unknown): entry is AuditEntry {
  return entry !== null && typeof entry === 'object' && Object.keys(entry).sort().join() === FIELDS;
}
