import { leafParts } from '../leaf.ts';
import { bundlesOf, CHECKPOINT_PATH, KEY_PATH, type LogSource, readResource, readTile } from '../log-source.ts';
import { decodeBundle } from '../tlog/bundle.ts';
import { openCheckpoint } from '../tlog/checkpoint.ts';
import { noteVerifier } from '../tlog/note.ts';
import { TILE_WIDTH } from '../tlog/tile.ts';

/**
 * The numbers of the entries about a subject, found by reading all of a log as far as its checkpoint reaches. Proves
 * nothing by itself. Errors: `audit/note`, `audit/not-found`.
 */
export async function findEntries(source: LogSource, subject: string): Promise<number[]> {
  const verifier = noteVerifier(text(await readResource(source, KEY_PATH)));
  const { size } = openCheckpoint(text(await readResource(source, CHECKPOINT_PATH)), verifier);
  const numbers: number[] = [];
  for (const bundle of bundlesOf(size)) {
    for (const [at, leaf] of decodeBundle(await readTile(source, bundle)).entries.entries()) {
      if (leafParts(leaf) && subjectOf(leaf) === subject) numbers.push(bundle.index * TILE_WIDTH + at + 1);
    }
  }
  return numbers;
}

function subjectOf(leaf: Uint8Array): unknown {
  try {
    return (JSON.parse(text(leaf)) as { subject?: unknown }).subject;
  } catch {
    return undefined;
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
