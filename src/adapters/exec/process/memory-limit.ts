import { existsSync, readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { formatBytes } from '#core/units';

/** Memory is taken for used up from this share of the limit on: samples miss the last moment. */
const AT_LIMIT = 0.9;

interface Ended {
  readonly signal: string | null;
  readonly code: number | null;
  readonly rssPeakBytes: number;
}

/**
 * Watches the control group of this process, in which its commands start, for the kernel's out-of-memory killer. Tells
 * why a command that ended since is taken for its victim, or nothing. What counts as evidence:
 *
 * 1. The group's counter `oom_kill` rose while the command ran, and SIGKILL ended it, or its exit code is 137, with
 *    which shells tell that SIGKILL ended a child. The counter is of the whole group: when several processes of it
 *    are killed at once, it does not say for whose need.
 * 2. Without such a counter, or with one that did not rise: SIGKILL ended it while it held nine tenths of the limit of
 *    the group or of the machine, whichever is less. That somebody else sent the signal just then is not excluded.
 */
export function watchMemory(root: string): (ended: Ended) => string | undefined {
  const group = groupOf(readIfAny('/proc/self/cgroup'), root);
  const before = killsIn(group);
  return ({ signal, code, rssPeakBytes }) => {
    const killed = signal === 'SIGKILL';
    if (!killed && code !== 137) return undefined;
    const after = killsIn(group);
    if (before !== undefined && after !== undefined && after > before) {
      return `the out-of-memory killer ended a process of its control group (oom_kill went from ${before} to ${after})`;
    }
    const limit = limitOf(group);
    if (!killed || rssPeakBytes < AT_LIMIT * limit) return undefined;
    const held = `${formatBytes(rssPeakBytes)} of the ${formatBytes(limit)} that there are`;
    return `SIGKILL ended it, which the worker did not send, while it held ${held}`;
  };
}

interface Group {
  /** The file that has the counter, and the one that has the limit. */
  readonly events: string;
  readonly limit: string;
}

/** The memory controller of version 2 or 1. In a container the path of the group may be that of the host. */
function groupOf(cgroups: string, root: string): Group | undefined {
  const paths = { v2: /^0::(.*)$/m.exec(cgroups)?.[1] ?? '/', v1: /^\d+:memory:(.*)$/m.exec(cgroups)?.[1] ?? '/' };
  const places = [
    ...[paths.v2, '/'].map((path) => ({ dir: join(root, path), events: 'memory.events', limit: 'memory.max' })),
    ...[paths.v1, '/'].map((path) => ({
      ...{ dir: join(root, 'memory', path), events: 'memory.oom_control', limit: 'memory.limit_in_bytes' },
    })),
  ];
  const found = places.find(({ dir, events }) => existsSync(join(dir, events)));
  return found && { events: join(found.dir, found.events), limit: join(found.dir, found.limit) };
}

function killsIn(group: Group | undefined): number | undefined {
  const text = group && /^oom_kill (\d+)$/m.exec(readIfAny(group.events))?.[1];
  return text === undefined ? undefined : Number(text);
}

function limitOf(group: Group | undefined): number {
  const text = group ? readIfAny(group.limit).trim() : '';
  return /^\d+$/.test(text) ? Math.min(Number(text), totalmem()) : totalmem();
}

function readIfAny(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
