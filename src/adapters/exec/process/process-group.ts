import { readdirSync, readFileSync } from 'node:fs';

/** Sends a signal to every process of a group; 0 only looks. Tells whether there was one. */
export function signalGroup(group: number, signal: 'SIGTERM' | 'SIGKILL' | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch {
    return false;
  }
}

/**
 * Whether a process of the group runs. One that has ended but that nobody has waited for yet, as happens where the
 * first process of a container reaps late or never, does not count, where `/proc` tells the difference.
 */
export function isGroupRunning(group: number): boolean {
  if (!signalGroup(group, 0)) return false;
  let pids: string[];
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return true;
  }
  return pids.some((pid) => {
    const { state, processGroup } = readStat(pid);
    return processGroup === group && state !== 'Z' && state !== 'X';
  });
}

/** The fields after the name of the program, which is in brackets and may itself contain spaces and brackets. */
function readStat(pid: string): { readonly state: string; readonly processGroup: number } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state = '', , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state, processGroup: Number(processGroup) };
  } catch {
    return { state: 'X', processGroup: 0 };
  }
}
