import { type AuditEntry, chainHash, GENESIS_HASH } from '#platform/db';

export type Verdict =
  | { readonly ok: true; readonly entries: number; readonly head: string }
  | { readonly ok: false; readonly entries: number; readonly seq: number; readonly reason: string };

/**
 * Walks a chain from its first entry and recomputes every hash. Stops at the first entry that was altered, removed,
 * added or moved. `expectedHead` (from an earlier export or a second place) also catches entries cut off the end.
 */
export async function verifyChain(entries: AsyncIterable<AuditEntry>, expectedHead?: string): Promise<Verdict> {
  let previous = GENESIS_HASH;
  let count = 0;
  for await (const entry of entries) {
    if (entry.seq !== count + 1) {
      return { ok: false, entries: count, seq: count + 1, reason: `entry ${count + 1} is missing: found ${entry.seq}` };
    }
    const { hash, ...content } = entry;
    if (chainHash(previous, content) !== hash) {
      return { ok: false, entries: count, seq: entry.seq, reason: `entry ${entry.seq} does not match its hash` };
    }
    previous = hash;
    count += 1;
  }
  if (expectedHead !== undefined && previous !== expectedHead) {
    return { ok: false, entries: count, seq: count + 1, reason: 'the log ends before its recorded head' };
  }
  return { ok: true, entries: count, head: previous };
}
