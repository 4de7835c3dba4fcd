import { copyFile, mkdir, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';

export const ROUTING_FILE = 'routing.json';
export const CALLERS_FILE = 'callers.json';

/** Where the processes of a gateway keep what is theirs. */
export interface ProcessFolders {
  readonly own: string;
  /** Those of all other processes that ever ran. */
  readonly others: readonly string[];
  /** Those of processes that are no more, whose logs this process sends. */
  readonly left: readonly string[];
}

const NAME = /^process-(\d{1,4})$/;

/**
 * The first process has the folder of the gateway itself, so that a gateway of one process and the first of several are
 * the same; the others have folders in it. What those beyond `count` left is divided among the processes.
 */
export async function processFolders(
  gateway: string,
  { place, count }: { readonly place: number; readonly count: number },
): Promise<ProcessFolders> {
  const at = (number: number): string => (number === 1 ? gateway : join(gateway, `process-${number}`));
  const found = (await readdir(gateway)).flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
  const left = found.filter((number) => number > count && (number - 1) % count === place - 1).map(at);
  await mkdir(at(place), { recursive: true, mode: 0o700 });
  return { own: at(place), others: [1, ...found].filter((number) => number !== place).map(at), left };
}

/** Begins with the newest tables that any process has kept: a process that is new starts without the control plane. */
export async function inheritKept({ own, others }: ProcessFolders): Promise<void> {
  for (const name of [ROUTING_FILE, CALLERS_FILE]) {
    const target = join(own, name);
    const files = await Promise.all([own, ...others].map((folder) => keptAt(join(folder, name))));
    const newest = files.reduce((best, file) => (file.keptMs > best.keptMs ? file : best));
    if (newest.path === target || newest.keptMs === 0) continue;
    await copyFile(newest.path, `${target}.inherited`);
    await rename(`${target}.inherited`, target);
  }
}

async function keptAt(path: string): Promise<{ readonly path: string; readonly keptMs: number }> {
  const found = await stat(path).catch(() => undefined);
  return { path, keptMs: found?.mtimeMs ?? 0 };
}
