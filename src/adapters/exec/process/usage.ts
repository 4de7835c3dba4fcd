import { readFileSync } from 'node:fs';

/** What a process and its descendants take of the machine. */
export interface Usage {
  /** Resident memory at this moment. Pages that processes share count once for each. */
  readonly rssBytes: number;
  /** The highest resident memory of any one of the processes so far, as the kernel remembers it. */
  readonly rssPeakBytes: number;
  /** Processor time, with that of descendants that ended and were waited for. */
  readonly cpuMs: number;
  /** What was read from and written to storage, not what the page cache answered. */
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** A tree with more processes than this is not looked at any further. */
const PROCESSES_MAX = 500;
/** The unit of times in `/proc/<pid>/stat`: Linux tells user space hundredths of a second on every machine. */
const TICK_MS = 10;

/**
 * What a process and its descendants use, from Linux's `/proc`. Nothing where that does not exist or the process has
 * ended. These files are answered by the kernel without a disk, in some 20 µs each, so that reading them synchronously
 * gives one moment of the tree.
 */
export function usageOf(pid: number): Usage | undefined {
  let found = false;
  const total = { rssBytes: 0, rssPeakBytes: 0, cpuMs: 0, readBytes: 0, writtenBytes: 0 };
  const pids = [pid];
  for (let i = 0; i < pids.length && i < PROCESSES_MAX; i++) {
    const dir = `/proc/${pids[i]}`;
    const status = readIfAny(`${dir}/status`);
    const resident = numberIn(status, /^VmRSS:\s+(\d+) kB$/m) * 1_024;
    found ||= resident > 0;
    total.rssBytes += resident;
    total.rssPeakBytes = Math.max(total.rssPeakBytes, numberIn(status, /^VmHWM:\s+(\d+) kB$/m) * 1_024);
    total.cpuMs += ticksIn(readIfAny(`${dir}/stat`)) * TICK_MS;
    const io = readIfAny(`${dir}/io`);
    total.readBytes += numberIn(io, /^read_bytes: (\d+)$/m);
    total.writtenBytes += numberIn(io, /^write_bytes: (\d+)$/m);
    pids.push(...readIfAny(`${dir}/task/${pids[i]}/children`).split(' ').filter(Boolean).map(Number));
  }
  return found ? total : undefined;
}

function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0);
}

/** utime, stime, cutime and cstime: fields 14 to 17, counted behind the name, which may contain spaces and brackets. */
function ticksIn(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, field) => sum + (Number(field) || 0), 0);
}

function readIfAny(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
