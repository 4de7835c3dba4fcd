import { parseTilePath, TILE_WIDTH } from '../tlog/tile.ts';
import type { LogDirectory } from './directory.ts';
import { type LogVerdict, type VerifyOptions, verifySource } from './verify-source.ts';

/** Verifies an export: the log in it, and that nothing lies beside the log that could be taken for a part of it. */
export async function verifyDirectory(directory: LogDirectory, options: VerifyOptions = {}): Promise<LogVerdict> {
  const verdict = await verifySource(directory, options);
  if (!verdict.ok) return verdict;
  for await (const place of directory.strays(verdict.entries)) {
    const tile = parseTilePath(place);
    const seq = tile?.level === 'entries' ? { seq: tile.index * TILE_WIDTH + 1 } : {};
    return { ok: false, entries: verdict.entries, ...seq, place, reason: `${place} is no part of the signed log` };
  }
  return verdict;
}
