/**
 * The disk of the machines on which workers run. The worker's own modules get these functions where they import
 * `node:fs` and `node:fs/promises` (see hooks.ts): a real file takes an unknown time, these take none.
 */

/** Content of files by path; null for a folder. */
type Disk = Map<string, Uint8Array | null>;

let disk: Disk = new Map();
let refuse: (path: string) => void = () => {};

/** Begins an empty disk. `onWrite` may throw, as a full disk does. */
export function emptyDisk(onWrite: (path: string) => void): void {
  disk = new Map();
  refuse = onWrite;
}

export async function mkdir(path: string): Promise<void> {
  mkdirSync(path);
}

export function mkdirSync(path: string): void {
  refuse(path);
  disk.set(path, null);
}

export function rmdirSync(path: string): void {
  if (disk.get(path) !== null) throw missing(path);
  if ([...disk.keys()].some((name) => name.startsWith(`${path}/`))) throw new Error(`ENOTEMPTY: '${path}'`);
  disk.delete(path);
}

export function unlinkSync(path: string): void {
  fileAt(path);
  disk.delete(path);
}

export async function rm(path: string): Promise<void> {
  for (const name of [...disk.keys()]) if (name === path || name.startsWith(`${path}/`)) disk.delete(name);
}

export async function writeFile(path: string, content: string | Uint8Array): Promise<void> {
  refuse(path);
  disk.set(path, typeof content === 'string' ? Buffer.from(content) : content);
}

export async function readFile(path: string): Promise<string> {
  return readFileSync(path);
}

export function readFileSync(path: string): string {
  return Buffer.from(fileAt(path)).toString('utf8');
}

export async function link(from: string, to: string): Promise<void> {
  refuse(to);
  disk.set(to, fileAt(from));
}

export async function copyFile(from: string, to: string): Promise<void> {
  return link(from, to);
}

export async function chmod(path: string): Promise<void> {
  fileAt(path);
}

export const constants = { COPYFILE_FICLONE: 0 };

interface Stats {
  readonly size: number;
  isFile(): boolean;
  isDirectory(): boolean;
}

export async function stat(path: string): Promise<Stats> {
  const found = statSync(path);
  if (!found) throw missing(path);
  return found;
}

/** As with `throwIfNoEntry: false`. */
export function statSync(path: string): Stats | undefined {
  const content = disk.get(path);
  return content === undefined
    ? undefined
    : { size: content?.length ?? 0, isFile: () => content !== null, isDirectory: () => content === null };
}

export async function* createReadStream(path: string): AsyncGenerator<Uint8Array> {
  yield fileAt(path);
}

function fileAt(path: string): Uint8Array {
  const content = disk.get(path);
  if (!content) throw missing(path);
  return content;
}

const missing = (path: string): Error =>
  Object.assign(new Error(`ENOENT: no such file or directory, '${path}'`), { code: 'ENOENT' });
