import { backoffMs } from '#core/backoff';
import { type Clock, sleep } from '#core/clock';
import type { Random } from '#core/random';
import type { Logger } from '#platform/observe';
import { gatewayErrors } from '../../errors.ts';
import type { Tensor, TensorSpec } from '../../tensors/tensor.ts';
import type { TensorCall, TensorRuntime } from '../model-runtime.ts';
import { type FailureKind, RemoteFailure, type RemoteModel, type RemoteServer } from './remote-server.ts';

export interface ExternalOptions {
  readonly server: RemoteServer;
  /** Of the server and its model, for people. */
  readonly what: string;
  readonly kind: 'external' | 'process';
  readonly timeoutMs: number;
  readonly connections: number;
  readonly stateless: boolean;
  readonly maxBatchSize?: number | undefined;
  readonly memoryBytes: number;
  /** Why it is away, where more is known than that calls fail. */
  readonly explain?: () => string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What is kept of a server here: connections and their buffers. */
export const EXTERNAL_BYTES = 1024 * 1024;
/** So many answers in a row that are late or lost, and the server is taken to be away. */
const FAILURES_MAX = 5;
const PROBE = { baseMs: 200, capMs: 5_000 };
const BUSY_PAUSE_MS = 50;

/**
 * A model that another server runs.
 *
 * 1. What it takes and gives is asked when it is loaded; callers check it against what the version says.
 * 2. A call is sent again once, within the same time: where it was not sent, where the server said that it does not run
 *    it now, and where the connection was lost only if the model is stateless, as nobody knows whether it was run.
 * 3. A server that cannot be reached, or is late or lost {@link FAILURES_MAX} times in a row, is away: calls fail at
 *    once, and it is asked with growing pauses until it is ready again. If the model takes or gives something else
 *    then, it can no longer be used and is loaded anew.
 */
export class ExternalRuntime implements TensorRuntime {
  readonly kind: 'external' | 'process';
  readonly memoryBytes: number;
  readonly concurrency: number;
  readonly rowMs: number;
  readonly #options: ExternalOptions;
  readonly #model: RemoteModel;
  readonly #closing = new AbortController();
  #usable = true;
  #away: string | undefined;
  #failures = 0;
  #inWork = 0;
  #drained: (() => void) | undefined;

  /** Asks the server what the model is. Throws `gateway/model-unavailable` and the like. */
  static async open(options: ExternalOptions): Promise<ExternalRuntime> {
    const { server, what, timeoutMs, clock } = options;
    try {
      const startedMs = clock.monotonic();
      const model = await server.describe(timeoutMs);
      return new ExternalRuntime(options, model, clock.monotonic() - startedMs);
    } catch (error) {
      server.close();
      throw errorOf(error, what);
    }
  }

  private constructor(options: ExternalOptions, model: RemoteModel, rowMs: number) {
    this.#options = options;
    this.#model = model;
    this.kind = options.kind;
    this.memoryBytes = options.memoryBytes;
    this.concurrency = options.connections;
    this.rowMs = rowMs;
  }

  get usable(): boolean {
    return this.#usable;
  }

  get inputs(): readonly TensorSpec[] {
    return this.#model.inputs;
  }

  get outputs(): readonly TensorSpec[] {
    return this.#model.outputs;
  }

  get maxBatchSize(): number | undefined {
    return this.#options.maxBatchSize ?? this.#model.maxBatchSize;
  }

  async run(call: TensorCall): Promise<Tensor[]> {
    if (this.#away !== undefined) throw gatewayErrors['model-unavailable'](this.#options.explain?.() ?? this.#away);
    this.#inWork += 1;
    try {
      const outputs = await this.#attempt(call);
      this.#failures = 0;
      return outputs;
    } catch (error) {
      const told = errorOf(error, this.#options.what);
      if (error instanceof RemoteFailure) this.#count(error.kind, told);
      throw told;
    } finally {
      this.#inWork -= 1;
      if (this.#inWork === 0) this.#drained?.();
    }
  }

  async unload(): Promise<void> {
    if (this.#inWork > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    this.#closing.abort();
    this.#options.server.close();
  }

  async #attempt(call: TensorCall): Promise<Tensor[]> {
    const { server, timeoutMs, clock } = this.#options;
    const startedMs = clock.monotonic();
    try {
      return await server.infer(call, timeoutMs);
    } catch (error) {
      if (!(error instanceof RemoteFailure && this.#mayRepeat(error.kind))) throw error;
      if (error.kind === 'busy') await sleep(clock, BUSY_PAUSE_MS, this.#closing.signal);
      const leftMs = timeoutMs - (clock.monotonic() - startedMs);
      if (leftMs < 1) throw error;
      return server.infer(call, leftMs);
    }
  }

  #mayRepeat(kind: FailureKind): boolean {
    return kind === 'unsent' || kind === 'busy' || (kind === 'lost' && this.#options.stateless);
  }

  #count(kind: FailureKind, error: Error): void {
    if (kind === 'refused' || kind === 'busy') return;
    this.#failures += 1;
    const away = kind === 'unsent' || kind === 'missing' || (kind !== 'failed' && this.#failures >= FAILURES_MAX);
    if (!away || this.#away !== undefined) return;
    this.#away = error.message;
    this.#options.logger.warn({ what: this.#options.what }, `the server of a model is away: ${error.message}`);
    void this.#probe();
  }

  async #probe(): Promise<void> {
    const { server, clock, random, timeoutMs, logger, what } = this.#options;
    const { signal } = this.#closing;
    for (let attempt = 0; !signal.aborted; attempt++) {
      await sleep(clock, backoffMs(attempt, random, PROBE), signal);
      if (signal.aborted || !(await server.isReady(timeoutMs))) continue;
      const model = await server.describe(timeoutMs).catch(() => undefined);
      if (!model) continue;
      if (textOf(model) !== textOf(this.#model)) this.#usable = false;
      this.#failures = 0;
      this.#away = undefined;
      logger.info({ what }, 'the server of a model is back');
      return;
    }
  }
}

function textOf({ inputs, outputs }: RemoteModel): string {
  return JSON.stringify([inputs, outputs]);
}

/** What callers of the gateway are told. */
function errorOf(error: unknown, what: string): Error {
  if (!(error instanceof RemoteFailure)) return error instanceof Error ? error : new Error(String(error));
  const message = `${what}: ${error.message}`;
  switch (error.kind) {
    case 'refused':
      return gatewayErrors['invalid-request'](message);
    case 'busy':
      return gatewayErrors.busy(message);
    case 'late':
      return gatewayErrors.timeout(message);
    case 'failed':
      return gatewayErrors['model-failed'](message);
    case 'unsent':
    case 'lost':
    case 'missing':
      return gatewayErrors['model-unavailable'](message);
  }
}
