import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const KEDGE = fileURLToPath(new URL('../../bin/kedge.mjs', import.meta.url));
/** What a start leaves behind (background compilation, its garbage, first polls) is over after this. */
const SETTLE_MS = 15_000;

interface ProcessFigures {
  readonly process: string;
  readonly rssMb: number;
  readonly pssMb: number;
  readonly cpuPercent: number;
}

export interface StartFigures {
  /** From the start of the command to the line that says it is ready, in a new data directory: median and all. */
  readonly freshMs: number;
  readonly freshAllMs: readonly number[];
  /** The same in a data directory that was used before. */
  readonly againMs: number;
  readonly againAllMs: readonly number[];
  /** Sums over all processes, without load. Processor time is in percent of one core. */
  readonly cpuPercent: number;
  readonly rssMb: number;
  /** Memory that several processes share is counted in equal parts. */
  readonly pssMb: number;
  readonly processes: readonly ProcessFigures[];
}

/** Starts the platform several times, each time in a fresh data directory and once more in the same. */
export async function measureStart(options: {
  readonly starts: number;
  readonly idleSeconds: number;
}): Promise<StartFigures> {
  const [freshAllMs, againAllMs]: [number[], number[]] = [[], []];
  let processes: readonly ProcessFigures[] = [];
  for (let i = 0; i < options.starts; i++) {
    const folder = mkdtempSync(join(tmpdir(), 'kedge-bench-'));
    try {
      const fresh = await up(folder);
      freshAllMs.push(fresh.readyMs);
      await stop(fresh.child);
      const again = await up(folder);
      againAllMs.push(again.readyMs);
      if (i === options.starts - 1) processes = await idle(again.child, options.idleSeconds);
      await stop(again.child);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const sum = (of: (figures: ProcessFigures) => number): number =>
    Math.round(processes.reduce((total, figures) => total + of(figures), 0) * 100) / 100;
  return {
    freshMs: median(freshAllMs),
    freshAllMs,
    againMs: median(againAllMs),
    againAllMs,
    cpuPercent: sum((figures) => figures.cpuPercent),
    rssMb: sum((figures) => figures.rssMb),
    pssMb: sum((figures) => figures.pssMb),
    processes,
  };
}

async function up(dataDir: string): Promise<{ readonly child: ChildProcess; readonly readyMs: number }> {
  const [port, gatewayPort, grpcPort] = await Promise.all([freePort(), freePort(), freePort()]);
  const ports = ['--port', `${port}`, '--gateway-port', `${gatewayPort}`, '--grpc-port', `${grpcPort}`];
  const startedAt = performance.now();
  const words = [KEDGE, 'up', '--data', dataDir, ...ports];
  const env = { ...process.env, KEDGE_LOG_LEVEL: 'error' };
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'], env });
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('Kedge is ready')) resolve();
    });
    child.once('exit', (code) => reject(new Error(`kedge up ended with code ${code} before it was ready`)));
  });
  return { child, readyMs: Math.round(performance.now() - startedAt) };
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

/** What the command and the processes below it use while nobody asks anything of them. */
async function idle(up: ChildProcess, seconds: number): Promise<readonly ProcessFigures[]> {
  const root = up.pid;
  if (root === undefined) throw new Error('the platform has no process');
  await pause(SETTLE_MS);
  const pids = [root, ...childrenOf(root)];
  const before = pids.map(cpuSeconds);
  const startedAt = performance.now();
  await pause(seconds * 1_000);
  const elapsed = (performance.now() - startedAt) / 1_000;
  return pids.map((pid, i) => ({
    process: pid === root ? 'supervisor' : nameOf(pid),
    rssMb: kilobytes(`/proc/${pid}/status`, 'VmRSS'),
    pssMb: kilobytes(`/proc/${pid}/smaps_rollup`, 'Pss'),
    cpuPercent: Math.round(((cpuSeconds(pid) - (before[i] ?? 0)) / elapsed) * 10_000) / 100,
  }));
}

/** Fields of /proc/<pid>/stat after the name, which may itself hold spaces. */
function statOf(pid: number): readonly string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function childrenOf(parent: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return Number(statOf(pid)[1]) === parent;
    } catch {
      return false;
    }
  });
}

/**
 * Processor time of all threads, in nanoseconds as the scheduler counts it. The hundredths in /proc/<pid>/stat go by
 * what runs when the clock ticks, which overstates a process that is woken by timers.
 */
function cpuSeconds(pid: number): number {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return nanoseconds.reduce((sum, spent) => sum + spent, 0) / 1e9;
}

/** `control-plane` of `…/apps/control-plane/main.ts`. */
function nameOf(pid: number): string {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  return (
    words
      .find((word) => word.endsWith('/main.ts'))
      ?.split('/')
      .at(-2) ?? words.join(' ')
  );
}

/** A figure that the file gives in kB, in MB. */
function kilobytes(file: string, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(file, 'utf8'));
  return Math.round(Number(found?.[1] ?? Number.NaN) / 102.4) / 10;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
