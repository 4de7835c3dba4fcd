import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { backoffMs } from '#core/backoff';
import { defineErrors } from '#core/errors';
import type { System } from '#core/system';
import type { Logger } from '#platform/observe';
import type { ReadyMessage } from '../process.ts';

/** A process to keep alive. */
export interface ChildSpec {
  /** `control-plane`, `gateway`, `worker-1`: how it is called in logs and on the screen. */
  readonly name: string;
  /** Module of the process, relative to `src/apps`. */
  readonly module: string;
  /** Flags of Node for this process, beside those that all have. */
  readonly nodeFlags?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** `advanced` carries bytes and maps in messages; `json` unless told. */
  readonly serialization?: 'json' | 'advanced';
}

export interface Supervisor {
  /** Resolves when every child has been ready once, with what each told. Rejects when one ends before. */
  readonly ready: Promise<ReadonlyMap<string, Readonly<Record<string, string>>>>;
  /** The process id of each child that runs at the moment. */
  pids(): ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

export const supervisorErrors = defineErrors('supervisor', {
  'cannot-start': { status: 503, title: 'A process of the platform does not start' },
});

/** Where Node keeps compiled modules: a process that is started again is ready in half the time. */
const COMPILE_CACHE = fileURLToPath(new URL('../../../node_modules/.cache/kedge', import.meta.url));

const KILL_AFTER_MS = 10_000;
/** A child that ran this long starts with a fresh back-off when it ends. */
const STEADY_AFTER_MS = 10_000;

export interface SupervisorDeps {
  readonly system: System;
  readonly logger: Logger;
  /** Told of each process when it is started, the first time and again. */
  readonly onStart?: (spec: ChildSpec, child: ChildProcess) => void;
}

/**
 * Keeps child processes alive: one that ends is started again, the sooner the longer it had run. Children notice the
 * loss of their supervisor and stop by themselves, so nothing is left behind when it is killed.
 */
export function supervise(specs: readonly ChildSpec[], deps: SupervisorDeps): Supervisor {
  const children = specs.map((spec) => new Child(spec, deps));
  const ready = Promise.all(children.map(async (child) => [child.spec.name, await child.ready] as const));
  for (const child of children) child.start();
  return {
    ready: ready.then((entries) => new Map(entries)),
    pids: () => new Map(children.flatMap((child) => (child.pid === undefined ? [] : [[child.spec.name, child.pid]]))),
    async stop() {
      await Promise.all(children.map((child) => child.stop()));
    },
  };
}

class Child {
  readonly spec: ChildSpec;
  readonly ready: Promise<Readonly<Record<string, string>>>;
  readonly #deps: SupervisorDeps;
  #process: ChildProcess | undefined;
  #stopping = false;
  #wasReady = false;
  #failures = 0;
  #becameReady: (told: Readonly<Record<string, string>>) => void = () => {};
  #failedToStart: (error: Error) => void = () => {};
  #cancelRestart: () => void = () => {};

  constructor(spec: ChildSpec, deps: SupervisorDeps) {
    this.spec = spec;
    this.#deps = deps;
    this.ready = new Promise((resolve, reject) => {
      this.#becameReady = resolve;
      this.#failedToStart = reject;
    });
    this.ready.catch(() => {});
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  start(): void {
    const { clock, random } = this.#deps.system;
    const startedAt = clock.monotonic();
    const module = fileURLToPath(new URL(`../${this.spec.module}`, import.meta.url));
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', ...(this.spec.nodeFlags ?? []), module, ...(this.spec.args ?? [])],
      {
        env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...this.spec.env },
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        serialization: this.spec.serialization ?? 'json',
      },
    );
    this.#process = child;
    child.on('message', (message) => {
      const { type, ready } = message as ReadyMessage;
      if (type !== 'ready') return;
      this.#wasReady = true;
      this.#becameReady(ready);
    });
    this.#deps.onStart?.(this.spec, child);
    child.on('exit', (code, signal) => {
      this.#process = undefined;
      if (this.#stopping) return;
      const how = signal ?? `code ${code}`;
      if (!this.#wasReady) {
        const detail = `${this.spec.name} ended with ${how} before it was ready; it says why above`;
        this.#failedToStart(supervisorErrors['cannot-start'](detail));
        return;
      }
      this.#failures = clock.monotonic() - startedAt > STEADY_AFTER_MS ? 0 : this.#failures + 1;
      const delayMs = this.#failures <= 1 ? 0 : backoffMs(this.#failures, random, { baseMs: 100, capMs: 10_000 });
      this.#deps.logger.warn({ child: this.spec.name, how, delayMs }, 'a process ended and is started again');
      this.#cancelRestart = clock.after(delayMs, () => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelRestart();
    const child = this.#process;
    if (!child) return;
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const cancel = this.#deps.system.clock.after(KILL_AFTER_MS, () => child.kill('SIGKILL'));
    await exited;
    cancel();
  }
}
