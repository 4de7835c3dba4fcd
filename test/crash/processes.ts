import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const ps = promisify(execFile);
const PS = ['-A', '-o', 'pid=,ppid=,args='];
const MODULES: readonly (readonly [RegExp, string])[] = [
  [/control-plane\/main\.ts/, 'control-plane'],
  [/gateway\/main\.ts/, 'gateway'],
  [/worker\/main\.ts/, 'worker-1'],
];

/** The processes of a platform with one worker that run below a process, however far below, by name. */
export async function platformBelow(root: number): Promise<ReadonlyMap<string, number>> {
  const { stdout } = await ps('ps', PS, { maxBuffer: 16 * 1024 * 1024 });
  const all = stdout.split('\n').flatMap((line) => {
    const [, pid, parent, args = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return pid ? [{ pid: Number(pid), parent: Number(parent), args }] : [];
  });
  const below = new Set([root]);
  // A child may be listed before its parent, so the family is gathered until it does not grow any more.
  for (let size = 0; size < below.size; ) {
    size = below.size;
    for (const { pid, parent } of all) if (below.has(parent)) below.add(pid);
  }
  const named = all.flatMap(({ pid, parent, args }) => {
    const name = below.has(pid) && MODULES.find(([module]) => module.test(args))?.[1];
    return name ? [{ name, pid, parent }] : [];
  });
  // A process that has just been forked is listed with the arguments of its parent, until it runs its own program.
  const forked = ({ name, parent }: (typeof named)[number]): boolean =>
    named.some((other) => other.pid === parent && other.name === name);
  return new Map(named.filter((each) => !forked(each)).map(({ name, pid }) => [name, pid]));
}
