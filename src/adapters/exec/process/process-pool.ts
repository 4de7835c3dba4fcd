import { randomBytes } from 'node:crypto';
import type { Clock } from '#core/clock';
import type { Execution, ExecutionRequest, OutputStream } from '#ports/executor';
import type { ProcessExecution } from './execution.ts';
import { KeptProcess } from './kept-process.ts';

/** Ended after so long without a request. */
const IDLE_MS = 60_000;
/** Of all kinds together; another one ends the one that has been idle for longest. */
const IDLE_MAX = 8;
/** A process ends after so many requests, so that what each leaves behind, such as memory, is bounded. */
const SERVED_MAX = 1_000;

interface Idle {
  readonly key: string;
  readonly process: KeptProcess;
  readonly served: number;
  readonly cancel: () => void;
}

/** Starts a command in a folder; its input stays open. */
export type StartKept = (
  request: ExecutionRequest,
  onOutput: (stream: OutputStream, chunk: Uint8Array) => void,
) => ProcessExecution;

/** Keeps processes that serve requests of one command and environment, for the next request of the same. */
export class ProcessPool {
  readonly #clock: Clock;
  readonly #start: StartKept;
  /** Least recently used first. */
  #idle: Idle[] = [];

  constructor(deps: { readonly clock: Clock; readonly start: StartKept }) {
    this.#clock = deps.clock;
    this.#start = deps.start;
  }

  serve(request: ExecutionRequest): Execution {
    const key = JSON.stringify([request.command, request.env]);
    const found = this.#idle.findLast((idle) => idle.key === key);
    if (found) this.#forget(found);
    const process = found?.process ?? this.#startFor(request);
    const served = (found?.served ?? 0) + 1;
    return process.serve(request, (again) => {
      if (again && served < SERVED_MAX) this.#keep({ key, process, served });
      else void process.stop();
    });
  }

  /** Ends what waits for a request. */
  async close(): Promise<void> {
    const idle = this.#idle;
    for (const one of idle) this.#forget(one);
    await Promise.all(idle.map(({ process }) => process.stop()));
  }

  #startFor(request: ExecutionRequest): KeptProcess {
    // Nobody who writes to the same streams can know it.
    const mark = randomBytes(16).toString('hex');
    const command = [...request.command, '--serve', mark];
    return new KeptProcess((onOutput) => this.#start({ ...request, command }, onOutput), { clock: this.#clock, mark });
  }

  #keep(kept: Omit<Idle, 'cancel'>): void {
    const idle = { ...kept, cancel: this.#clock.after(IDLE_MS, () => this.#drop(idle)) };
    this.#idle.push(idle);
    void kept.process.exited.then(() => this.#forget(idle));
    const [longest] = this.#idle;
    if (this.#idle.length > IDLE_MAX && longest) this.#drop(longest);
  }

  #drop(idle: Idle): void {
    this.#forget(idle);
    void idle.process.stop();
  }

  #forget(idle: Idle): void {
    idle.cancel();
    this.#idle = this.#idle.filter((other) => other !== idle);
  }
}
