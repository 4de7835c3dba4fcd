import type { Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '#core/errors';
import { signingErrors } from './errors.ts';
import { SIGNATURE_FILE } from './format.ts';
import { hasherOf, IGNORED_PATHS, type Manifest, type Resource } from './statement.ts';

export const FOLDER_FILES_MAX = 50_000;

export interface FileEntry {
  readonly path: string;
  readonly bytes: number;
}

/** The files of a model, wherever they are. */
export interface ModelFiles {
  list(): Promise<readonly FileEntry[]>;
  read(path: string, range?: { readonly start: number; readonly end: number }): Promise<AsyncIterable<Uint8Array>>;
}

/** What is wrong with one file, in words that name it. */
export interface FileProblem {
  readonly file: string;
  readonly message: string;
}

/** Hashes every file that the manifest names, and finds those that it does not name. None is well. */
export async function problemsOf(
  manifest: Manifest,
  files: ModelFiles,
  options: { readonly mayIgnore?: (path: string) => boolean } = {},
): Promise<FileProblem[]> {
  const present = new Map((await files.list()).map((file) => [file.path, file.bytes]));
  const problems = new Map<string, string>();
  const signedBytes = new Map<string, number>();
  for (const resource of manifest.resources) {
    const { path, range } = resource;
    const bytes = present.get(path);
    const problem =
      bytes === undefined ? `'${path}' is missing` : await mismatchOf(manifest, files, { resource, bytes });
    if (problem) problems.set(path, problem);
    signedBytes.set(path, (signedBytes.get(path) ?? 0) + (range ? range.end - range.start : (bytes ?? 0)));
  }
  for (const [path, bytes] of present) {
    const signed = signedBytes.get(path);
    if (signed === bytes || (signed === undefined && mayStayUnsigned(manifest, path, options.mayIgnore))) continue;
    // A file without bytes has no shards, so a statement over shards cannot name it.
    if (bytes === 0 && manifest.shardBytes !== undefined) continue;
    const message =
      signed === undefined ? `'${path}' was not signed` : `'${path}' has ${bytes} bytes, ${signed} were signed`;
    if (!problems.has(path)) problems.set(path, message);
  }
  return [...problems].map(([file, message]) => ({ file, message }));
}

async function mismatchOf(
  manifest: Manifest,
  files: ModelFiles,
  { resource, bytes }: { readonly resource: Resource; readonly bytes: number },
): Promise<string | undefined> {
  const { name, path, range, digest } = resource;
  if (range && range.end > bytes) return `'${path}' has ${bytes} bytes, ${range.end} were signed`;
  try {
    const found = await hashOf(await files.read(path, range), hasherOf(manifest.hash));
    return found === digest ? undefined : `'${name}' was changed: its digest is ${found}, ${digest} was signed`;
  } catch (error) {
    return `'${path}' cannot be read: ${messageOf(error)}`;
  }
}

function mayStayUnsigned(manifest: Manifest, path: string, mayIgnore: (path: string) => boolean = () => true): boolean {
  const isUnder = (ignored: string) => path === ignored || path.startsWith(`${ignored}/`);
  if (IGNORED_PATHS.some(isUnder)) return true;
  return manifest.ignoredPaths.map((ignored) => ignored.replace(/^\.\/|\/$/g, '')).some(isUnder) && mayIgnore(path);
}

export async function hashOf(content: AsyncIterable<Uint8Array>, hash: Hash): Promise<string> {
  for await (const chunk of content) hash.update(chunk);
  return hash.digest('hex');
}

/**
 * The files of a folder, apart from what is ignored. A symbolic link, or anything else that is neither file nor folder,
 * is refused: what it leads to can change, and may lie outside. Errors: `signing/invalid-folder`, which names the path.
 */
export function folderFiles(folder: string, ignored: readonly string[] = [SIGNATURE_FILE]): ModelFiles {
  return {
    async list() {
      const found: FileEntry[] = [];
      await walk(folder, '', { found, ignored: new Set([...IGNORED_PATHS, ...ignored]) });
      return found;
    },
    async read(path, range) {
      const status = await lstat(join(folder, path));
      if (!status.isFile()) throw signingErrors['invalid-folder'](`'${path}' is no regular file`);
      return createReadStream(join(folder, path), range ? { start: range.start, end: range.end - 1 } : {});
    },
  };
}

async function walk(
  folder: string,
  below: string,
  into: { readonly found: FileEntry[]; readonly ignored: ReadonlySet<string> },
): Promise<void> {
  for (const entry of await readdir(join(folder, below), { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (into.ignored.has(path)) continue;
    if (entry.isDirectory()) {
      await walk(folder, path, into);
    } else if (entry.isFile()) {
      into.found.push({ path, bytes: (await lstat(join(folder, path))).size });
    } else {
      const what = entry.isSymbolicLink() ? 'a symbolic link' : 'neither a file nor a folder';
      throw signingErrors['invalid-folder'](`'${path}' is ${what}; a model is signed as regular files only`);
    }
    if (into.found.length > FOLDER_FILES_MAX) {
      throw signingErrors['invalid-folder'](`the folder has more than ${FOLDER_FILES_MAX} files`);
    }
  }
}
