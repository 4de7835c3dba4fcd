import { type ChildProcess, spawn } from 'node:child_process';
import { type Clock, sleep } from '#core/clock';
import { messageOf } from '#core/errors';
import { formatBytes, formatDuration } from '#core/units';
import type { Execution, ExecutionRequest, Exit, Isolated, OutputStream } from '#ports/executor';
import { watchMemory } from './memory-limit.ts';
import { isGroupRunning, signalGroup } from './process-group.ts';
import { type Usage, usageOf } from './usage.ts';

/** How long the rest of the output is waited for after the process ended, if something still holds its pipes open. */
const DRAIN_MS = 1_000;
const GROUP_POLL_MS = 20;
const GROUP_POLL_MS_MAX = 320;
/** The first samples come sooner, so that short commands are seen too. */
const SAMPLE_MS_MIN = 20;
const SAMPLE_MS_MAX = 500;
const GRACE_MS = 5_000;
/** The longest delay that timers can hold; past it they would fire at once. */
const GRACE_MS_MAX = 2_147_483_647;

interface Surroundings {
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string>>;
  readonly isFolder: boolean;
  /** Where control groups are mounted. */
  readonly cgroupRoot: string;
  /** The command as it is started, within whatever keeps it apart. */
  readonly command: readonly string[];
  readonly isolated?: Isolated | undefined;
  /** Its input stays open, for {@link ProcessExecution.write}. */
  readonly keepsInput?: boolean;
}

/**
 * One process and everything in its process group.
 *
 * running ──(wall limit, stop)──► ending: SIGTERM to the group, SIGKILL after the grace ──► group ended ──► output
 * drained ──► `exited` resolves. A process that ends by itself has what is left of its group killed at once.
 */
export class ProcessExecution implements Execution {
  readonly id: string;
  readonly exited: Promise<Exit>;
  readonly isolated?: Isolated;
  readonly #clock: Clock;
  readonly #request: ExecutionRequest;
  readonly #child: ChildProcess | undefined;
  readonly #startedAt: number;
  readonly #cancels = new Set<() => void>();
  #ending: 'timeout' | 'memory' | 'stopped' | undefined;
  #killed = false;
  #ended = false;
  #outputBytes = 0;
  #outputBytesCut = 0;
  #usage: Usage | undefined;
  readonly #causeOfKill: ReturnType<typeof watchMemory>;

  constructor(
    request: ExecutionRequest,
    { clock, env, isFolder, cgroupRoot, command, isolated, keepsInput = false }: Surroundings,
  ) {
    this.id = request.id;
    if (isolated) this.isolated = isolated;
    this.#clock = clock;
    this.#request = request;
    // Before the command starts, which is in the control group of this process unless it leaves it.
    this.#causeOfKill = watchMemory(cgroupRoot);
    this.#startedAt = clock.monotonic();
    if (!isFolder) {
      this.exited = Promise.resolve(this.#notStarted(`the working folder '${request.cwd}' does not exist`));
      return;
    }
    const [program, ...args] = command;
    try {
      this.#child = spawn(program!, args, {
        cwd: request.cwd,
        env,
        // The leader of a group of its own, so that signals reach everything it starts.
        detached: true,
        stdio: [keepsInput || request.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      });
    } catch (error) {
      this.exited = Promise.resolve(this.#notStarted(messageOf(error)));
      return;
    }
    // A command may end, or close its input, without having read it.
    this.#child.stdin?.on('error', () => {});
    if (!keepsInput) this.#child.stdin?.end(request.stdin);
    this.exited = this.#watch(this.#child);
  }

  /** Writes to the input of a command that keeps it open. */
  write(bytes: Uint8Array): void {
    this.#child?.stdin?.write(bytes);
  }

  hold(isHeld: boolean): void {
    if (this.#ended) return;
    for (const stream of [this.#child?.stdout, this.#child?.stderr]) {
      if (isHeld) stream?.pause();
      else stream?.resume();
    }
  }

  async stop(graceMs: number): Promise<void> {
    this.#end('stopped', graceMs);
    await this.exited;
  }

  async #watch(child: ChildProcess): Promise<Exit> {
    const { wallMs, graceMs = GRACE_MS } = this.#request.limits;
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.on('data', (chunk: Buffer) => this.#pass(name, chunk));
      // A pipe that breaks is the end of the output; how the command ended is told by its exit.
      child[name]?.on('error', () => {});
    }
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const failure = await new Promise<Error | undefined>((resolve) => {
      child.once('spawn', () => resolve(undefined));
      child.once('error', resolve);
    });
    if (failure) return this.#notStarted(this.#explain(failure));
    this.#later(wallMs, () => this.#end('timeout', graceMs));
    this.#sample(SAMPLE_MS_MIN);
    await this.#over(child, closed);
    return this.#exitOf(child);
  }

  /** Resolves when the process has ended, nothing is left of its group, and its output was read. */
  async #over(child: ChildProcess, closed: Promise<void>): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) {
      await new Promise<void>((resolve) => child.once('exit', () => resolve()));
    }
    // Whoever is asked to end has the whole grace for it, also when the first process of the group ends at once.
    let pollMs = GROUP_POLL_MS;
    while (this.#ending && !this.#killed && isGroupRunning(child.pid!)) {
      await sleep(this.#clock, pollMs);
      pollMs = Math.min(2 * pollMs, GROUP_POLL_MS_MAX);
    }
    this.#kill();
    // What is left in the pipes is little, and has to be read for them to close.
    this.hold(false);
    this.#ended = true;
    for (const cancel of this.#cancels) cancel();
    // A process that left the group may hold the pipes open for ever.
    const cancel = this.#clock.after(DRAIN_MS, () => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    });
    await closed;
    cancel();
  }

  #end(reason: 'timeout' | 'memory' | 'stopped', graceMs: number): void {
    if (this.#ended || this.#child?.pid === undefined) return;
    // What ended by itself before it was asked keeps its own reason.
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#ending ??= reason;
    if (graceMs > 0) {
      signalGroup(this.#child.pid, 'SIGTERM');
      this.#later(Math.min(graceMs, GRACE_MS_MAX), () => this.#kill());
    } else {
      this.#kill();
    }
  }

  #kill(): void {
    this.#killed = true;
    signalGroup(this.#child!.pid!, 'SIGKILL');
  }

  #pass(stream: OutputStream, chunk: Buffer): void {
    const room = Math.max(0, this.#request.limits.outputBytesMax - (this.#outputBytes - this.#outputBytesCut));
    const passed = chunk.subarray(0, room);
    this.#outputBytes += chunk.length;
    this.#outputBytesCut += chunk.length - passed.length;
    if (passed.length > 0) this.#request.onOutput?.(stream, passed);
  }

  /** Sums that ended processes took with them do not lower what was seen before. */
  #sample(nextMs: number): void {
    const pid = this.#child?.pid;
    const now = pid === undefined ? undefined : usageOf(pid);
    if (!now) return;
    const seen = this.#usage ?? now;
    this.#usage = {
      rssBytes: now.rssBytes,
      rssPeakBytes: Math.max(seen.rssPeakBytes, now.rssPeakBytes, now.rssBytes),
      cpuMs: Math.max(seen.cpuMs, now.cpuMs),
      readBytes: Math.max(seen.readBytes, now.readBytes),
      writtenBytes: Math.max(seen.writtenBytes, now.writtenBytes),
    };
    if (now.rssBytes > (this.#request.limits.memoryBytesMax ?? Number.POSITIVE_INFINITY)) this.#end('memory', 0);
    this.#later(nextMs, () => this.#sample(Math.min(2 * nextMs, SAMPLE_MS_MAX)));
  }

  #later(delayMs: number, callback: () => void): void {
    const cancel = this.#clock.after(delayMs, () => {
      this.#cancels.delete(cancel);
      callback();
    });
    this.#cancels.add(cancel);
  }

  #exitOf(child: ChildProcess): Exit {
    const { exitCode, signalCode } = child;
    const rssPeakBytes = this.#usage?.rssPeakBytes ?? 0;
    const outOfMemory = this.#ending
      ? undefined
      : this.#causeOfKill({ signal: signalCode, code: exitCode, rssPeakBytes });
    const { wallMs, memoryBytesMax = 0 } = this.#request.limits;
    const details = {
      timeout: `the limit of ${formatDuration(wallMs)} was over`,
      memory: `it held more than ${formatBytes(memoryBytesMax)} of memory`,
      stopped: undefined,
    };
    const detail = this.#ending && details[this.#ending];
    return {
      reason: this.#ending ?? (signalCode === null ? 'exited' : 'signalled'),
      ...(exitCode !== null && { code: exitCode }),
      ...(signalCode !== null && { signal: signalCode }),
      ...(detail !== undefined && { detail }),
      ...(outOfMemory !== undefined && { outOfMemory }),
      ...this.#figures(),
    };
  }

  #notStarted(detail: string): Exit {
    return { reason: 'not-started', detail, ...this.#figures() };
  }

  #figures(): Omit<Exit, 'reason'> {
    const { rssBytes: _now, ...used } = this.#usage ?? { rssBytes: 0 };
    return {
      durationMs: this.#clock.monotonic() - this.#startedAt,
      outputBytes: this.#outputBytes,
      outputBytesCut: this.#outputBytesCut,
      ...used,
    };
  }

  #explain(failure: Error): string {
    const program = this.#request.command[0];
    const code = 'code' in failure ? failure.code : undefined;
    if (code === 'ENOENT') return `the program '${program}' was not found`;
    if (code === 'EACCES') return `the program '${program}' may not be executed`;
    return `the program '${program}' could not be started: ${failure.message}`;
  }
}
