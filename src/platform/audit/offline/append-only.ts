import { auditErrors } from '../errors.ts';
import { type LogSource, readTile } from '../log-source.ts';
import type { Checkpoint } from '../tlog/checkpoint.ts';
import { hashAt, sameHash, verifyConsistency } from '../tlog/merkle.ts';
import { Prover } from '../tlog/proofs.ts';
import { bundleOf, TILE_WIDTH } from '../tlog/tile.ts';

/**
 * Proves that the log at `later` has the entries that it had at `former`, in the same order, and only added to them.
 * Errors: `audit/proof`.
 */
export async function requireAppended(source: LogSource, later: Checkpoint, former: Checkpoint): Promise<void> {
  if (former.size > later.size) {
    throw auditErrors.proof(
      `the former checkpoint has ${former.size} entries, this one ${later.size}: those after that were cut off`,
    );
  }
  const proof = await new Prover(later.size, (tile) => readTile(source, tile)).consistency(former.size);
  if (verifyConsistency(former, later, proof)) return;
  throw auditErrors.proof(
    `the first ${former.size} entries are not those of the former checkpoint: the history before it was rewritten`,
  );
}

/** The number of the first entry in which two logs differ, as far as both reach; `undefined` when there is none. */
export async function firstDifference(
  one: { readonly source: LogSource; readonly size: number },
  other: { readonly source: LogSource; readonly size: number },
): Promise<number | undefined> {
  const size = Math.min(one.size, other.size);
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const [a, b] = await Promise.all(
      [one, other].map((log) => readTile(log.source, { ...bundleOf(index, log.size), level: 0 })),
    );
    for (let at = 0; at < bundleOf(index, size).width; at++) {
      if (!sameHash(hashAt(a!, at), hashAt(b!, at))) return index * TILE_WIDTH + at + 1;
    }
  }
  return undefined;
}
