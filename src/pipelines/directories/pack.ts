import { constants } from 'node:fs';
import { lstat, open, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStore } from '#ports/blob-store';
import { pipelineErrors } from '../errors.ts';
import type { Artifact } from '../shapes.ts';
import { atOnce } from './at-once.ts';
import {
  DIRECTORY_FILES_MAX,
  DIRECTORY_PATH_LENGTH_MAX,
  type DirectoryFile,
  isInside,
  manifestOf,
} from './manifest.ts';

/** Folders are not kept, but each is looked into. */
const FOLDERS_MAX = 10_000;

/**
 * Stores the files below a folder, each for itself, and then their manifest, which is what the folder is as an output.
 * Only content counts: empty folders, modes and times are not kept. Fails with `pipelines/directory-invalid` for
 * anything but regular files, for paths that cannot be kept, and past the limits.
 */
export async function packDirectory(blobs: Pick<BlobStore, 'put'>, folder: string): Promise<Artifact> {
  if (!(await lstat(folder)).isDirectory()) throw refuse('is a link: write the directory itself');
  const paths = await pathsBelow(folder);
  const files: DirectoryFile[] = [];
  await atOnce(paths, async (path) => {
    files.push({ path, ...(await store(blobs, join(folder, path), path)) });
  });
  const { text, artifact } = manifestOf(files);
  await blobs.put(Buffer.from(text));
  return artifact;
}

function refuse(why: string): Error {
  return pipelineErrors['directory-invalid'](why);
}

async function pathsBelow(folder: string): Promise<string[]> {
  const paths: string[] = [];
  const folders = [''];
  for (const prefix of folders) {
    for await (const entry of await opendir(join(folder, prefix))) {
      const path = `${prefix}${entry.name}`;
      const shown = JSON.stringify(path.slice(0, DIRECTORY_PATH_LENGTH_MAX));
      if (path.length > DIRECTORY_PATH_LENGTH_MAX) {
        throw refuse(`has the path ${shown}…, which is longer than ${DIRECTORY_PATH_LENGTH_MAX} characters`);
      }
      if (!isInside(path)) throw refuse(`has the path ${shown}: expected UTF-8 without control characters`);
      if (entry.isSymbolicLink()) throw refuse(`has the link ${shown}: write what it leads to in its place`);
      if (entry.isDirectory()) folders.push(`${path}/`);
      else if (entry.isFile()) paths.push(path);
      else throw refuse(`has ${shown}, which is no regular file`);
      if (paths.length > DIRECTORY_FILES_MAX) throw refuse(`has more than ${DIRECTORY_FILES_MAX} files`);
      if (folders.length > FOLDERS_MAX) throw refuse(`has more than ${FOLDERS_MAX} folders`);
    }
  }
  return paths;
}

/** The file may have become a link since it was seen, if the step left something that still runs. */
async function store(blobs: Pick<BlobStore, 'put'>, file: string, path: string): Promise<Omit<DirectoryFile, 'path'>> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    if (!(await handle.stat()).isFile()) throw refuse(`has ${JSON.stringify(path)}, which is no regular file`);
    const { digest, bytes } = await blobs.put(handle.createReadStream({ autoClose: false }));
    return { digest, bytes };
  } finally {
    await handle.close();
  }
}
