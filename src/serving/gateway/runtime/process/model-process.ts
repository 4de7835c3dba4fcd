import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backoffMs } from '#core/backoff';
import { sleep } from '#core/clock';
import type { System } from '#core/system';
import type { Logger } from '#platform/observe';
import type { Execution, Executor, Exit } from '#ports/executor';
import type { ProcessModel } from '../../../model-declaration.ts';
import type { GuardOrder } from './guard.ts';
import { LogTail } from './log-tail.ts';

export interface ModelProcessOptions {
  readonly declaration: ProcessModel;
  /** The folder with the files of the version. */
  readonly folder: string;
  readonly what: string;
  readonly executor: Executor;
  /** Whether it has to be kept apart from the machine to be started at all. */
  readonly isolated: boolean;
  readonly system: System;
  readonly logger: Logger;
}

const GUARD = fileURLToPath(new URL('guard.ts', import.meta.url));
/** The longest that executors take; a process that ran so long is started anew. */
const WALL_MS = 2_147_483_647;
const LOG_BYTES = 64 * 1024;
const LOG_LINE_MAX = 2_000;
const POLL_MS = 50;
const GRACE_MS = 5_000;
/** So many ends within the window, and it is not started again. */
const CRASHES_MAX = 5;
const CRASH_WINDOW_MS = 600_000;
const BACKOFF = { baseMs: 500, capMs: 30_000 };

/**
 * The process of a model: started, watched, and started again with growing pauses when it ends by itself, until it has
 * ended too often. Everything it started ends with it, and with the gateway, also when that is killed.
 */
export class ModelProcess {
  /** Where the model answers, whichever process is behind it. */
  readonly socket: string;
  readonly #options: ModelProcessOptions;
  readonly #place: string;
  readonly #leashes = new Set<Socket>();
  readonly #log = new LogTail(LOG_BYTES);
  readonly #stopping = new AbortController();
  readonly #server: Server;
  #execution: Execution | undefined;
  #watching: Promise<void> | undefined;
  #crashes: number[] = [];
  #failure: string | undefined;
  #stopped = false;
  #starts = 0;

  /** Resolves when `isReady` says so. Rejects, and leaves nothing behind, when that does not happen in time. */
  static async start(
    options: ModelProcessOptions,
    isReady: (socket: string) => Promise<boolean>,
  ): Promise<ModelProcess> {
    const place = await mkdtemp(join(tmpdir(), 'kedge-model-'));
    const process = new ModelProcess(options, place);
    try {
      await process.#first(isReady);
      return process;
    } catch (error) {
      await process.stop();
      throw error;
    }
  }

  private constructor(options: ModelProcessOptions, place: string) {
    this.#options = options;
    this.#place = place;
    this.socket = join(place, 'model.sock');
    this.#server = createServer((leash) => {
      this.#leashes.add(leash);
      leash.on('error', () => {}).on('close', () => this.#leashes.delete(leash));
    });
  }

  /** Why there is no process now; `undefined` while there is one. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** It has ended too often and is not started again. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** What holds of the process that runs. */
  get isolated(): Execution['isolated'] {
    return this.#execution?.isolated;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#execution?.stop(GRACE_MS);
    await this.#watching;
    for (const leash of this.#leashes) leash.destroy();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#place, { recursive: true, force: true });
  }

  async #first(isReady: (socket: string) => Promise<boolean>): Promise<void> {
    const { declaration, system, what, logger } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(this.#leash, resolve);
    });
    const execution = await this.#launch();
    const ended: { exit?: Exit } = {};
    void execution.exited.then((exit) => (ended.exit = exit));
    const { clock } = system;
    const until = clock.monotonic() + declaration.startTimeoutMs;
    while (!(await isReady(this.socket))) {
      if (ended.exit) throw new Error(this.#wordsOf(ended.exit));
      if (clock.monotonic() > until) {
        throw new Error(`${what} was not ready within ${declaration.startTimeoutMs} ms${this.#lastWords()}`);
      }
      await sleep(clock, POLL_MS);
    }
    logger.info({ what, isolated: execution.isolated }, 'the process of a model is ready');
    this.#watching = this.#watch(execution);
  }

  get #leash(): string {
    return join(this.#place, 'leash.sock');
  }

  async #launch(): Promise<Execution> {
    const { declaration, executor, isolated, folder, what, logger } = this.#options;
    const { memoryBytes: memoryBytesMax, cpus: cpusMax, network, environment } = declaration;
    const words = { '{socket}': this.socket, '{model}': folder };
    // Set for the command alone: what keeps it apart is started before, and must not follow the declaration's PATH.
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const command = [...(variables.length > 0 ? ['env', ...variables] : []), ...declaration.command].map((word) =>
      Object.entries(words).reduce((text, [name, value]) => text.replaceAll(name, value), word),
    );
    const order: GuardOrder = { command, leash: this.#leash, socket: this.socket };
    const execution = await executor.start({
      id: `${this.#place}/${++this.#starts}`,
      command: [process.execPath, '--disable-warning=ExperimentalWarning', GUARD, JSON.stringify(order)],
      cwd: this.#place,
      env: { TMPDIR: this.#place },
      isolate: { network },
      limits: { wallMs: WALL_MS, outputBytesMax: Number.MAX_SAFE_INTEGER, memoryBytesMax, cpusMax },
      onOutput: (_stream, chunk) => {
        for (const line of this.#log.add(chunk)) logger.debug({ what }, line.slice(0, LOG_LINE_MAX));
      },
    });
    this.#execution = execution;
    const namespaces = execution.isolated?.namespaces ?? [];
    const lacking = ['pid' as const, ...(network ? [] : ['network' as const])].filter((n) => !namespaces.includes(n));
    if (!isolated || lacking.length === 0) return execution;
    await execution.stop(0);
    throw new Error(
      `this machine gives a process no namespace of its own (${lacking.join(', ')}); ` +
        'KEDGE_MODEL_PROCESSES=any runs it nevertheless',
    );
  }

  async #watch(first: Execution): Promise<void> {
    const { system, logger, what } = this.#options;
    const { signal } = this.#stopping;
    for (let execution = first; ; ) {
      const exit = await execution.exited;
      if (signal.aborted) return;
      this.#failure = this.#wordsOf(exit);
      const now = system.clock.monotonic();
      this.#crashes = [...this.#crashes.filter((at) => now - at < CRASH_WINDOW_MS), now];
      if (this.#crashes.length > CRASHES_MAX) {
        this.#failure = `${this.#failure}; it has ended ${this.#crashes.length} times and is not started again`;
        this.#stopped = true;
        logger.error({ what }, this.#failure);
        return;
      }
      logger.warn({ what }, `${this.#failure}; it is started again`);
      await sleep(system.clock, backoffMs(this.#crashes.length - 1, system.random, BACKOFF), signal);
      if (signal.aborted) return;
      try {
        execution = await this.#launch();
        this.#failure = undefined;
      } catch (error) {
        this.#failure = String(error);
        this.#stopped = true;
        logger.error({ what, err: error }, 'the process of a model cannot be started again');
        return;
      }
      // Between the check and here it may have been told to end.
      if (signal.aborted) await execution.stop(0);
    }
  }

  #wordsOf({ reason, code, signal, detail }: Exit): string {
    const how = detail ?? (signal === undefined ? `it ended with code ${code}` : `it was ended by ${signal}`);
    return `${this.#options.what}: ${reason === 'memory' ? detail : how}${this.#lastWords()}`;
  }

  #lastWords(): string {
    const words = this.#log.end(300);
    return words === '' ? '' : `; its last words: ${words}`;
  }
}
