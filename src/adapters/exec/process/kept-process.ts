import type { Clock } from '#core/clock';
import { formatDuration } from '#core/units';
import type { Execution, ExecutionRequest, Exit, OutputStream } from '#ports/executor';
import type { ProcessExecution } from './execution.ts';
import { MarkedOutput } from './marked-output.ts';

const GRACE_MS = 5_000;
const STREAMS = ['stdout', 'stderr'] as const;

/** What a program says at the end of a request. */
interface Served {
  /** What would have been its exit code. */
  readonly code: number;
  /** Whether it is as it was before, so that it can take another request. */
  readonly again: boolean;
  readonly cpuMs: number;
  readonly rssPeakBytes: number;
  readonly answer?: string;
}

/** Starts the process; it gives its output to the function. */
type Start = (onOutput: (stream: OutputStream, chunk: Uint8Array) => void) => ProcessExecution;

/** A process that serves one request after another. A request that is stopped, or takes too long, ends it. */
export class KeptProcess {
  readonly exited: Promise<Exit>;
  readonly #clock: Clock;
  readonly #process: ProcessExecution;
  #serving: ServedExecution | undefined;

  constructor(start: Start, { clock, mark }: { readonly clock: Clock; readonly mark: string }) {
    this.#clock = clock;
    const outputOf = (stream: OutputStream): MarkedOutput =>
      new MarkedOutput(mark, {
        pass: (chunk) => this.#serving?.pass(stream, chunk),
        end: (said) => this.#serving?.endOf(stream, said),
      });
    const outputs = { stdout: outputOf('stdout'), stderr: outputOf('stderr') };
    this.#process = start((stream, chunk) => outputs[stream].push(Buffer.from(chunk)));
    this.exited = this.#process.exited.then((exit) => {
      this.#serving?.died(exit);
      return exit;
    });
  }

  /** Serves a request; `done` is told when it is over, and whether the process can take another. */
  serve(request: ExecutionRequest, done: (again: boolean) => void): Execution {
    const execution = new ServedExecution(request, { clock: this.#clock, process: this.#process });
    this.#serving = execution;
    this.#process.write(request.stdin ?? new Uint8Array());
    this.#process.write(Buffer.from('\n'));
    void execution.exited.then(() => {
      this.#serving = undefined;
      done(execution.again);
    });
    return execution;
  }

  stop(graceMs = GRACE_MS): Promise<void> {
    return this.#process.stop(graceMs);
  }
}

/** One request that a kept process serves. */
class ServedExecution implements Execution {
  readonly id: string;
  readonly exited: Promise<Exit>;
  again = false;
  readonly #request: ExecutionRequest;
  readonly #clock: Clock;
  readonly #process: ProcessExecution;
  readonly #startedAt: number;
  readonly #cancelLimit: () => void;
  readonly #over = new Set<OutputStream>();
  #end: (exit: Exit) => void = () => {};
  #ending: 'timeout' | 'stopped' | undefined;
  #outputBytes = 0;
  #outputBytesCut = 0;
  #isOver = false;

  constructor(
    request: ExecutionRequest,
    { clock, process }: { readonly clock: Clock; readonly process: ProcessExecution },
  ) {
    this.id = request.id;
    this.#request = request;
    this.#clock = clock;
    this.#process = process;
    this.#startedAt = clock.monotonic();
    this.exited = new Promise((resolve) => {
      this.#end = resolve;
    });
    const { wallMs, graceMs = GRACE_MS } = request.limits;
    this.#cancelLimit = clock.after(wallMs, () => this.#interrupt('timeout', graceMs));
  }

  hold(isHeld: boolean): void {
    if (!this.#isOver) this.#process.hold(isHeld);
  }

  async stop(graceMs: number): Promise<void> {
    this.#interrupt('stopped', graceMs);
    await this.exited;
  }

  pass(stream: OutputStream, chunk: Buffer): void {
    const room = Math.max(0, this.#request.limits.outputBytesMax - (this.#outputBytes - this.#outputBytesCut));
    const passed = chunk.subarray(0, room);
    this.#outputBytes += chunk.length;
    this.#outputBytesCut += chunk.length - passed.length;
    if (passed.length > 0) this.#request.onOutput?.(stream, passed);
  }

  /** The request is served when both streams say so; then nothing of its output can be on its way. */
  endOf(stream: OutputStream, said: string): void {
    this.#over.add(stream);
    // Whoever was asked to end is on the way out, whatever it says.
    if (!STREAMS.every((name) => this.#over.has(name)) || this.#ending) return;
    const { again, ...told } = JSON.parse(said) as Served;
    this.again = again;
    this.#finish({ reason: 'exited', ...told });
  }

  /** The process ended within the request. */
  died(exit: Exit): void {
    const detail = `the limit of ${formatDuration(this.#request.limits.wallMs)} was over`;
    this.#finish({
      ...exit,
      ...(this.#ending ? { reason: this.#ending } : {}),
      ...(this.#ending === 'timeout' ? { detail } : {}),
    });
  }

  #interrupt(reason: 'timeout' | 'stopped', graceMs: number): void {
    this.#ending ??= reason;
    void this.#process.stop(graceMs);
  }

  #finish(exit: Omit<Exit, 'durationMs' | 'outputBytes' | 'outputBytesCut'>): void {
    this.#cancelLimit();
    this.hold(false);
    this.#isOver = true;
    this.#end({
      ...exit,
      durationMs: this.#clock.monotonic() - this.#startedAt,
      outputBytes: this.#outputBytes,
      outputBytesCut: this.#outputBytesCut,
    });
  }
}
