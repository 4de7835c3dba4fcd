import { constants } from 'node:fs';
import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Digest } from '#core/hash';
import type { BlobStore } from '#ports/blob-store';
import { atOnce } from './at-once.ts';
import { filesOfDirectory } from './manifest.ts';

/**
 * Writes a stored directory to a folder that is not there yet. The files are copies, which the file system shares with
 * the store where it can: whoever has the folder may write to it, and the store stays as it is.
 */
export async function unpackDirectory(
  blobs: Pick<BlobStore, 'read' | 'localPath'>,
  digest: Digest,
  folder: string,
): Promise<void> {
  const files = await filesOfDirectory(blobs, digest);
  await mkdir(folder, { recursive: true });
  const folders = new Set(files.map(({ path }) => dirname(path)));
  for (const inner of folders) await mkdir(join(folder, inner), { recursive: true });
  await atOnce(files, async (file) => {
    const to = join(folder, file.path);
    await copyFile(await blobs.localPath(file.digest, file), to, constants.COPYFILE_FICLONE);
    await chmod(to, 0o644);
  });
}
