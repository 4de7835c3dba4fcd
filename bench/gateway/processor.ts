import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Of Linux, wherever it runs. */
const TICKS_PER_SECOND = 100;

/** Seconds of processor time of a process, and of its children that have ended. */
export function cpuOf(pid: number | 'self'): { readonly own: number; readonly children: number } {
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = statOf(pid).slice(11, 15).map(Number);
  return { own: (user + system) / TICKS_PER_SECOND, children: (childUser + childSystem) / TICKS_PER_SECOND };
}

/** Seconds of processor time of a process and all that descend from it, as far as they live or are waited for. */
export function cpuOfTree(root: number): number {
  return treeOf(root).reduce((sum, pid) => {
    try {
      const { own, children } = cpuOf(pid);
      return sum + own + children;
    } catch {
      return sum; // It ended meanwhile.
    }
  }, 0);
}

/** The process and all that descend from it. */
export function treeOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      parents.set(Number(name), Number(statOf(Number(name))[1]));
    } catch {
      // It ended meanwhile.
    }
  }
  const tree = [root];
  for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  return tree;
}

/** Lets a process, all that descend from it and all their threads run on one core only. */
export function pin(root: number, core: number): void {
  for (const pid of treeOf(root)) {
    try {
      execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)], { stdio: 'ignore' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new Error('taskset of util-linux is not installed');
    }
  }
}

/** The fields of /proc/<pid>/stat from the third on: state, parent, … */
function statOf(pid: number | 'self'): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}
