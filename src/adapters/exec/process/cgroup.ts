import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface CgroupLimits {
  readonly memoryBytes?: number | undefined;
  readonly cpus?: number | undefined;
}

/** Control groups made for one command; whatever it starts is in them too. */
export interface Cgroup {
  readonly limits: readonly ('memory' | 'cpu')[];
  /** A process that writes `0` into each of these files is in it. */
  readonly files: readonly string[];
  /** Takes the groups away; those in which something still runs stay. */
  remove(): Promise<void>;
}

const ROOT = '/sys/fs/cgroup';
const PREFIX = 'kedge-';
const CPU_PERIOD_US = 100_000;

/**
 * Limits what a command may use below the groups in which this process is, where it may write there: a machine's root,
 * or a delegated part of the tree. Elsewhere there is no group, or none for one of the limits.
 */
export async function openCgroup(id: string, limits: CgroupLimits): Promise<Cgroup> {
  const folders: string[] = [];
  const held: ('memory' | 'cpu')[] = [];
  for (const kind of ['memory', 'cpu'] as const) {
    const settings = settingsOf(kind, limits);
    const folder = settings && (await limited(id, kind, settings));
    if (!folder) continue;
    held.push(kind);
    if (!folders.includes(folder)) folders.push(folder);
  }
  return {
    limits: held,
    files: folders.map((folder) => join(folder, 'cgroup.procs')),
    async remove() {
      for (const folder of folders) await rmdir(folder).catch(() => undefined);
    },
  };
}

/** Values by file, for both versions of control groups: only one of them has the file. */
type Settings = Readonly<Record<string, string>>;

function settingsOf(kind: 'memory' | 'cpu', { memoryBytes, cpus }: CgroupLimits): Settings | undefined {
  if (kind === 'memory') {
    const bytes = memoryBytes === undefined ? undefined : String(Math.floor(memoryBytes));
    return bytes === undefined ? undefined : { 'memory.max': bytes, 'memory.limit_in_bytes': bytes };
  }
  if (cpus === undefined) return undefined;
  const quota = Math.max(1_000, Math.round(cpus * CPU_PERIOD_US));
  return { 'cpu.max': `${quota} ${CPU_PERIOD_US}`, 'cpu.cfs_quota_us': String(quota) };
}

async function limited(id: string, kind: 'memory' | 'cpu', settings: Settings): Promise<string | undefined> {
  for (const base of basesOf(kind)) {
    const folder = join(base, `${PREFIX}${process.pid}-${id}`);
    try {
      await sweep(base);
      await mkdir(folder, { recursive: true });
      const files = new Set(await readdir(folder));
      const [file, value] = Object.entries(settings).find(([name]) => files.has(name)) ?? [];
      if (file === undefined || value === undefined) throw new Error('this group has no such limit');
      await writeFile(join(folder, file), value);
      // What was written is read back: some machines take any value and keep their own.
      if ((await readFile(join(folder, file), 'utf8')).trim() !== '') return folder;
    } catch {
      await rmdir(folder).catch(() => undefined);
    }
  }
  return undefined;
}

/** Takes away what platforms that were killed left behind; a group with processes in it cannot be removed. */
async function sweep(base: string): Promise<void> {
  for (const name of await readdir(base)) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(pid) || isRunning(pid)) continue;
    await rmdir(join(base, name)).catch(() => undefined);
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The folders of the groups of this process that hold a limit, of version 1 and of version 2. */
function basesOf(kind: 'memory' | 'cpu'): readonly string[] {
  let lines: string[];
  try {
    lines = readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n');
  } catch {
    return [];
  }
  return lines.flatMap((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === '') return [join(ROOT, path), join(ROOT, 'unified', path)];
    return controllers.split(',').includes(kind) ? [join(ROOT, controllers, path), join(ROOT, kind, path)] : [];
  });
}
