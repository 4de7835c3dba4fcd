import { backoffMs } from '#core/backoff';
import { sleep } from '#core/clock';
import { KedgeError, messageOf } from '#core/errors';
import { Outage } from '#core/outage';
import type { System } from '#core/system';
import { formatDuration } from '#core/units';
import type { Execution, ExecutionRequest, Exit, OutputStream } from '#ports/executor';
import { type Cluster, clusterErrors, type JobState } from './cluster.ts';
import type { ExitRecord, JobFolder } from './job-folder.ts';

/** How often the files of a job are looked at, and how often the cluster is asked: less often while nothing happens. */
const LOOK_MS = { first: 50, most: 1_000 };
const ASK_MS = { first: 500, most: 10_000 };
const SLOWER = 1.4;
const SUBMIT_BACKOFF_CAP_MS = 15_000;
/** How long the launcher has beyond the grace before the cluster is told to end the job, and told again. */
const PATIENCE_MS = 5_000;
/** For the last lines to arrive over a network file system after a job has ended. */
const SETTLE_MS = 3_000;
/** How long the cluster is asked why a command was killed. */
const CAUSE_MS = 15_000;

export interface ClusterExecutionOptions {
  readonly cluster: Cluster;
  readonly system: System;
  readonly warn: (message: string) => void;
  /** Names the job among all that were ever handed in. */
  readonly name: string;
  readonly graceMs: number;
  /** Resolves when jobs may be handed in. */
  readonly ready: Promise<void>;
  readonly makeFolder: () => Promise<JobFolder>;
}

/**
 * One command as one job.
 *
 * files written ──► handed in ──(answer lost: looked for by name before it is handed in again)──► looked at, its files
 * often and the cluster seldom ──► the launcher has written how it ended, or the cluster says that it did.
 */
export class ClusterExecution implements Execution {
  readonly id: string;
  readonly exited: Promise<Exit>;
  readonly #request: ExecutionRequest;
  readonly #options: ClusterExecutionOptions;
  readonly #startedAt: number;
  readonly #asked: Promise<void>;
  #wake = new AbortController();
  #folder: JobFolder | undefined;
  #job: string | undefined;
  #hasStarted = false;
  #seenAt = 0;
  /** When the command is to be dead, once somebody has asked for its end. */
  #killAt: number | undefined;
  /** Not earlier than this the cluster is told again to end the job. */
  #pressAt = 0;
  #outputBytes = 0;
  #isHeld = false;

  constructor(request: ExecutionRequest, options: ClusterExecutionOptions) {
    this.id = request.id;
    this.#request = request;
    this.#options = options;
    this.#startedAt = options.system.clock.monotonic();
    const { signal } = this.#wake;
    this.#asked = new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    this.exited = this.#run();
  }

  waitedMs(): number {
    return (this.#hasStarted ? this.#seenAt : this.#now()) - this.#startedAt;
  }

  job(): string | undefined {
    return this.#job;
  }

  /** What is not read stays in the files of the job: its command does not wait. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
  }

  async stop(graceMs: number): Promise<void> {
    const killAt = this.#now() + graceMs;
    if (this.#killAt === undefined || killAt < this.#killAt) {
      this.#killAt = killAt;
      await this.#folder?.ask(graceMs).catch(() => {});
      this.#wake.abort();
    }
    await this.exited;
  }

  async #run(): Promise<Exit> {
    try {
      await Promise.race([this.#options.ready, this.#asked]);
      if (this.#killAt !== undefined) return this.#without({ reason: 'stopped' });
      this.#folder = await this.#options.makeFolder();
      const refusal = await this.#submit(this.#folder);
      if (refusal !== undefined) return this.#without({ reason: 'not-started', detail: refusal });
      return await this.#watch(this.#folder);
    } catch (error) {
      // The folder is full or gone: what runs must not go on unseen.
      if (this.#job !== undefined) await this.#cancel(this.#job);
      return this.#without({ reason: 'not-started', detail: messageOf(error) });
    } finally {
      await this.#folder?.remove().catch((error) => this.#options.warn(messageOf(error)));
    }
  }

  /** Hands the job in, once. Answers why that is not to be, if it is not. */
  async #submit(folder: JobFolder): Promise<string | undefined> {
    const { cluster, name, system, warn, graceMs } = this.#options;
    const { wallMs } = this.#request.limits;
    const outage = new Outage(system.clock);
    for (let failures = 0; this.#killAt === undefined; failures++) {
      try {
        // Without an answer to the first request, the cluster may have the job.
        if (failures > 0) this.#job = (await cluster.find(name))[0]?.id;
        this.#job ??= await cluster.submit({
          name,
          command: ['python3', '-I', '-S', folder.launcher],
          cwd: folder.path,
          logPath: folder.logPath,
          wallMs: wallMs + graceMs,
          resources: this.#request.resources ?? {},
        });
        return undefined;
      } catch (error) {
        if (error instanceof KedgeError && error.code === clusterErrors.refused.code) {
          // Some clusters keep what they have refused in their queue.
          for (const { id } of await cluster.find(name).catch(() => [])) await this.#cancel(id);
          return error.message;
        }
        if (outage.failed()) warn(`${cluster.name}: a job could not be handed in: ${messageOf(error)}; trying again`);
        const delayMs = backoffMs(failures, system.random, { baseMs: 500, capMs: SUBMIT_BACKOFF_CAP_MS });
        await sleep(system.clock, delayMs, this.#wake.signal);
      }
    }
    return undefined;
  }

  /** Until the launcher or the cluster says that it is over. */
  async #watch(folder: JobFolder): Promise<Exit> {
    const [look, ask] = [new Pace(LOOK_MS), new Pace(ASK_MS)];
    let askAt = this.#now() + ask.next();
    let settledAt: number | undefined;
    let state: JobState = { phase: 'waiting' };
    for (;;) {
      const { started, exit } = await folder.events();
      if (started && !this.#hasStarted) [this.#hasStarted, this.#seenAt] = [true, this.#now()];
      if ((await this.#pass(folder)) > 0) look.again();
      if (exit || state.phase === 'ended') settledAt ??= this.#now() + SETTLE_MS;
      const isSettled = settledAt !== undefined && this.#now() >= settledAt && !this.#isHeld;
      if (exit && (isSettled || folder.hasPassed(exit))) return this.#with(exit);
      // A job that waits is not waited for: its launcher finds that it has nothing to do, should it come after all.
      if (this.#killAt !== undefined && !this.#hasStarted && (await folder.claim())) {
        if (this.#job !== undefined) await this.#cancel(this.#job);
        return this.#without({ reason: 'stopped' });
      }
      if (state.phase === 'ended' && isSettled) {
        if (!(await this.#hasAnother())) return this.#lost(folder, state);
        [state, settledAt] = [{ phase: 'waiting' }, undefined];
      }
      if (await this.#pressed()) askAt = this.#now();
      if (state.phase !== 'ended' && this.#now() >= askAt) {
        state = (await this.#ask()) ?? state;
        askAt = this.#now() + ask.next();
      }
      if (state.phase === 'ended') look.again();
      await this.#sleep(look.next());
    }
  }

  /** A job whose answer was lost may have come in after all, and been the one that started the command. */
  async #hasAnother(): Promise<boolean> {
    const { cluster, name } = this.#options;
    const job = (await cluster.find(name).catch(() => []))[0]?.id;
    if (job !== undefined) this.#job = job;
    return job !== undefined;
  }

  /** Has the cluster end a job that nobody wants any more and that its launcher cannot end, now and then again. */
  async #pressed(): Promise<boolean> {
    if (this.#killAt === undefined || this.#job === undefined) return false;
    if (this.#now() < Math.max(this.#killAt + PATIENCE_MS, this.#pressAt)) return false;
    await this.#cancel(this.#job);
    this.#pressAt = this.#now() + PATIENCE_MS;
    return true;
  }

  #pass(folder: JobFolder): Promise<number> {
    return folder.passOutput(
      (stream: OutputStream, chunk) => {
        const room = this.#request.limits.outputBytesMax - this.#outputBytes;
        const passed = chunk.subarray(0, Math.max(0, room));
        this.#outputBytes += passed.length;
        if (passed.length > 0) this.#request.onOutput?.(stream, passed);
      },
      () => this.#isHeld,
    );
  }

  async #ask(): Promise<JobState | undefined> {
    if (this.#job === undefined) return undefined;
    try {
      return await this.#options.cluster.state(this.#job);
    } catch {
      // The files tell as much; the cluster is asked again.
      return undefined;
    }
  }

  async #cancel(job: string): Promise<void> {
    const { cluster, warn } = this.#options;
    await cluster.cancel(job).catch((error) => warn(`${cluster.name}: job ${job} was not ended: ${messageOf(error)}`));
  }

  /** How the launcher says it ended. The cluster may know who ended it. */
  async #with(record: ExitRecord): Promise<Exit> {
    const { asked, code, signal, rssPeakBytes, durationMs, outputBytes, outputBytesCut } = record;
    const ended = isOfOthers(record) ? await this.#causeOf() : undefined;
    const isEnded = ended !== undefined && asked;
    const detail = record.reason === 'timeout' ? this.#overtime() : (record.detail ?? ended);
    if (this.#job !== undefined) void this.#forget(this.#job);
    return {
      ...{ reason: record.reason, durationMs, outputBytes, outputBytesCut },
      ...(code === undefined || isEnded ? {} : { code }),
      ...(signal === undefined ? {} : { signal }),
      ...(isEnded ? { reason: 'signalled', signal: signal ?? 'SIGTERM' } : {}),
      ...(detail === undefined ? {} : { detail }),
      ...(rssPeakBytes === undefined ? {} : { rssPeakBytes }),
    };
  }

  async #causeOf(): Promise<string | undefined> {
    const state = await this.#ended(CAUSE_MS);
    if (state?.phase !== 'ended' || state.cause === 'failed' || state.cause === 'completed') return undefined;
    return wordsOf(state, this.#options.cluster.name);
  }

  /** Waits for the job itself to be over, which is a little later than its command. */
  async #ended(withinMs: number): Promise<JobState | undefined> {
    const ask = new Pace({ first: 200, most: 2_000 });
    let state: JobState | undefined;
    for (const until = this.#now() + withinMs; this.#now() < until; ) {
      state = await this.#ask();
      if (state?.phase === 'ended') return state;
      await sleep(this.#options.system.clock, ask.next());
    }
    return state;
  }

  async #forget(job: string): Promise<void> {
    const { cluster } = this.#options;
    if (!cluster.forget) return;
    if ((await this.#ended(CAUSE_MS))?.phase === 'ended') await cluster.forget(job).catch(() => {});
  }

  /** The job ended, and its launcher did not say how. */
  async #lost(folder: JobFolder, state: JobState & { phase: 'ended' }): Promise<Exit> {
    const { cluster } = this.#options;
    const log = await folder.logTail();
    if (this.#job !== undefined) void this.#forget(this.#job);
    if (this.#killAt !== undefined) {
      return this.#without({ reason: 'stopped', ...(this.#hasStarted ? { signal: 'SIGKILL' } : {}) });
    }
    if (state.cause === 'timeout') return this.#without({ reason: 'timeout', detail: this.#overtime() });
    const detail = [wordsOf(state, cluster.name), log].filter(Boolean).join(': ');
    if (!this.#hasStarted) return this.#without({ reason: 'not-started', detail });
    return this.#without({ reason: 'signalled', signal: 'SIGKILL', detail });
  }

  #overtime(): string {
    return `the limit of ${formatDuration(this.#request.limits.wallMs)} was over`;
  }

  #without(how: Omit<Exit, 'durationMs' | 'outputBytes' | 'outputBytesCut'>): Exit {
    const read = this.#folder?.passedBytes ?? 0;
    const figures = { outputBytes: read, outputBytesCut: read - this.#outputBytes };
    return { ...how, durationMs: this.#now() - this.#startedAt, ...figures };
  }

  #now(): number {
    return this.#options.system.clock.monotonic();
  }

  /** Until it is time to look again, or somebody asks for the end. */
  async #sleep(delayMs: number): Promise<void> {
    if (this.#wake.signal.aborted) this.#wake = new AbortController();
    await sleep(this.#options.system.clock, delayMs, this.#wake.signal);
  }
}

/** Ever longer pauses. */
class Pace {
  readonly #first: number;
  readonly #most: number;
  #ms: number;

  constructor({ first, most }: { readonly first: number; readonly most: number }) {
    this.#first = first;
    this.#most = most;
    this.#ms = first;
  }

  next(): number {
    const ms = this.#ms;
    this.#ms = Math.min(this.#most, ms * SLOWER);
    return ms;
  }

  again(): void {
    this.#ms = this.#first;
  }
}

/** Whether the command was ended by somebody else than its worker, such as the cluster or the kernel. */
function isOfOthers({ reason, asked, code, signal }: ExitRecord): boolean {
  if (reason === 'exited') return asked && code !== 0;
  return reason === 'signalled' && (asked || signal === 'SIGKILL');
}

function wordsOf({ cause, detail }: JobState & { phase: 'ended' }, cluster: string): string {
  const words = {
    completed: 'the job ended without a word of its command',
    failed: 'the job failed',
    cancelled: 'the job was cancelled, and not by Kedge',
    timeout: 'the job ran out of time',
    'out-of-memory': 'the job was out of memory',
    'node-failed': 'the node of the job failed',
    preempted: 'the job had to make room for another',
    forgotten: 'the job is not known any more',
  }[cause];
  return `${cluster}: ${words}${detail ? ` (${detail})` : ''}`;
}
