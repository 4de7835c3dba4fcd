import { leafParts } from '../leaf.ts';
import {
  bundlesOf,
  CHECKPOINT_PATH,
  detailPath,
  KEY_PATH,
  type LogSource,
  readResource,
  readTile,
  tilesOf,
} from '../log-source.ts';
import { decodeBundle } from '../tlog/bundle.ts';
import { type Checkpoint, openCheckpoint } from '../tlog/checkpoint.ts';
import { noteVerifier } from '../tlog/note.ts';
import { TILE_WIDTH, tilePath } from '../tlog/tile.ts';
import { requireAppended } from './append-only.ts';
import type { LogDirectory } from './directory.ts';

/**
 * Copies a log, as far as its checkpoint reaches, into a directory: first what is immutable, then the checkpoint. A
 * directory that holds an earlier export of the log is brought up to date, once the log is proved to have only grown
 * since then. Errors: `audit/note`, `audit/not-found`, `audit/proof`.
 */
export async function exportLog(source: LogSource, directory: LogDirectory): Promise<Checkpoint> {
  const key = await readResource(source, KEY_PATH);
  const signed = await readResource(source, CHECKPOINT_PATH);
  const verifier = noteVerifier(text(key));
  const checkpoint = openCheckpoint(text(signed), verifier);
  const former = await directory.read(CHECKPOINT_PATH);
  if (former) await requireAppended(source, checkpoint, openCheckpoint(text(former), verifier));
  for (const tile of tilesOf(checkpoint.size)) {
    const path = tilePath(tile);
    if (tile.width < TILE_WIDTH || !(await directory.read(path)))
      await directory.write(path, await readTile(source, tile));
  }
  for (const bundle of bundlesOf(checkpoint.size)) {
    const path = tilePath(bundle);
    if (bundle.width === TILE_WIDTH && (await directory.read(path))) continue;
    const bytes = await readTile(source, bundle);
    await exportDetails(source, directory, { bytes, first: bundle.index * TILE_WIDTH + 1 });
    await directory.write(path, bytes);
  }
  await directory.write(KEY_PATH, key);
  await directory.write(CHECKPOINT_PATH, signed);
  for await (const path of directory.strays(checkpoint.size)) await directory.remove(path);
  return checkpoint;
}

async function exportDetails(
  source: LogSource,
  directory: LogDirectory,
  { bytes, first }: { readonly bytes: Uint8Array; readonly first: number },
): Promise<void> {
  for (const [at, leaf] of decodeBundle(bytes).entries.entries()) {
    if (leafParts(leaf)?.detailDigest === undefined) continue;
    const path = detailPath(first + at);
    await directory.write(path, await readResource(source, path));
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
