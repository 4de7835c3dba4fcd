import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { messageOf } from '#core/errors';
import { type Course, type Kill, Killer } from './killer.ts';
import { platformBelow } from './processes.ts';

const KEDGE = fileURLToPath(new URL('../../bin/kedge.mjs', import.meta.url));
/** A worker that was killed delays its step by this. */
const LEASE_MS = 2_000;
const OUTPUT_MAX = 20_000;

/** A quick demo that was played to its end. */
export interface DemoRun {
  readonly dataDir: string;
  readonly report: DemoReport;
  readonly startedAt: number;
  readonly endedAt: number;
  /** From the moment at which the platform was ready. */
  readonly course: Course;
  readonly killed: Killer['killed'];
  /** How many of these kills came when the story was over: a process can be killed again only when it is back. */
  readonly killedLate: number;
  /** What the supervisor said each time that it started a process again, as `gateway SIGKILL`. */
  readonly restarts: readonly string[];
}

/** The part of the demo's report that is compared. */
export interface DemoReport {
  readonly seconds: number;
  readonly requests: {
    readonly answered: number;
    readonly fallbacks: number;
    readonly failures: number;
    readonly retries: number;
  };
  readonly gain: object;
  readonly weeks: readonly object[];
  readonly decisions: readonly { at: string; type: string; subject: string; text: string }[];
  readonly rollouts: readonly { readonly sentence: unknown }[];
  readonly skew: { readonly rows: number; readonly values: number; readonly mismatched: number };
  readonly audit: { readonly ok: boolean; readonly entries: number };
}

/** Plays the quick demo as a user does, in a process of its own, and kills processes of its platform meanwhile. */
export async function playDemo(t: TestContext, plan: readonly Kill[]): Promise<DemoRun> {
  const dir = await mkdtemp(join(tmpdir(), 'kedge-crash-demo-'));
  t.after(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
  const [dataDir, reportFile] = [join(dir, 'data'), join(dir, 'report.json')];
  const startedAt = Date.now();
  const args = ['demo', '--quick', '--keep', '--data', dataDir, '--report', reportFile];
  const demo = spawn(process.execPath, [KEDGE, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, KEDGE_LEASE_MS: String(LEASE_MS), KEDGE_LOG_LEVEL: 'warn', KEDGE_RECORD_DELAY_MS: '0' },
  });
  const killer = new Killer(() => platformBelow(demo.pid ?? 0), plan);
  const over = new AbortController();
  let killedLate = 0;
  const output: string[] = [];
  let readyAt = Number.NaN;
  const ended = once(demo, 'close');
  const told = Promise.withResolvers<void>();
  createInterface(demo.stdout).on('line', (line) => {
    output.push(line);
    if (line.includes('the platform stays up')) told.resolve();
    const [url] = /was ready after .*?(http:\S+)/.exec(line)?.slice(1) ?? [];
    if (!url) return;
    readyAt = Date.now();
    void killWhile(url, killer, over.signal);
  });
  createInterface(demo.stderr).on('line', (line) => output.push(line));
  try {
    const early = await Promise.race([told.promise, ended]);
    assert.ok(!early, `the demo ended with code ${early?.[0]}`);
    const inTime = sum(killer.killed);
    over.abort();
    await killer.done();
    killedLate = sum(killer.killed) - inTime;
  } catch (error) {
    throw new Error(`${messageOf(error)}:\n${output.join('\n').slice(-OUTPUT_MAX)}`, { cause: error });
  } finally {
    over.abort();
    killer.stop();
    demo.kill('SIGINT');
    await ended;
  }
  const endedAt = Date.now();
  const report = JSON.parse(await readFile(reportFile, 'utf8')) as DemoReport;
  const course = courseOf(dataDir, readyAt);
  const { killed } = killer;
  return { dataDir, report, startedAt, endedAt, course, killed, killedLate, restarts: restartsIn(output) };
}

function sum(killed: Killer['killed']): number {
  return Object.values(killed).reduce((total, count) => total + count, 0);
}

/** Tells the killer of each event as the platform publishes it. */
async function killWhile(url: string, killer: Killer, signal: AbortSignal): Promise<void> {
  const reach = (moment: number): void => void killer.reach(moment).catch(() => {});
  let last = 0;
  reach(last);
  while (!signal.aborted) {
    try {
      const { body } = await fetch(`${url}/api/v1/live`, { headers: { 'last-event-id': String(last) }, signal });
      let rest = '';
      for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          if (!line.startsWith('id: ')) continue;
          last = Number(line.slice(4));
          reach(last);
        }
      }
    } catch {
      // The control plane is being started again, or the demo is over.
    }
    await pause(20);
  }
}

/** Its moments are the numbers of the platform's events. What comes after the last one is only read. */
function courseOf(dataDir: string, readyAt: number): Course {
  const db = new DatabaseSync(join(dataDir, 'kedge.sqlite'), { readOnly: true });
  try {
    const events = db.prepare('select seq as moment, time from event order by seq').all();
    const moments = events.map(({ moment, time }) => ({ moment: Number(moment), time: Number(time) }));
    return [{ moment: 0, time: readyAt }, ...moments];
  } finally {
    db.close();
  }
}

function restartsIn(output: readonly string[]): string[] {
  return output.flatMap((line) => {
    if (!line.includes('a process ended and is started again')) return [];
    const { child, how } = JSON.parse(line) as { child: string; how: string };
    return [`${child} ${how}`];
  });
}
