import { sleep } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Json } from '#core/json';
import type { Artifact, AttemptPlace, AttemptUsage, LeasedAttempt, Progress, StepError } from '#pipelines';
import type { FinishBody } from '#pipelines/contract';
import type { Environment } from '#pipelines/record/contract';
import type { Execution, Exit } from '#ports/executor';
import { deliver, isRefusal, isStale, withDeadline } from './deliver.ts';
import { parseMarker } from './host-protocol.ts';
import { LogShipper } from './log-shipper.ts';
import { outcomeOf } from './outcome.ts';
import { LineSplitter } from './output-lines.ts';
import { type Prepared, prepare } from './prepare.ts';
import type { WorkerOptions } from './run-worker.ts';

/** Output that is looked at, for the log, for what a step says of itself, and to count what the log leaves out. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024 * 1024;
/** On a cluster output lies in a folder that others share until the worker has read it. */
const REMOTE_OUTPUT_BYTES_MAX = 256 * 1024 * 1024;
/** From asking a step to end to killing it. */
const GRACE_MS = 3_000;
/** Beats per lease, so that a few lost ones do not cost the lease. */
const BEATS_PER_LEASE = 4;
const BEAT_MS_MAX = 2_000;
/** A fresh lease is short until the worker has shown that it received it. */
const FIRST_BEAT_MS = 500;
const METRICS_MAX = 500;
const MESSAGE_LENGTH_MAX = 4_000;

type Report =
  | {
      readonly status: 'succeeded';
      readonly outputs: Record<string, Artifact>;
      readonly result: Json;
      readonly environment?: Environment;
    }
  | { readonly status: 'failed'; readonly error: StepError; readonly environment?: Environment }
  | { readonly status: 'stopped' };

/** Why an attempt is to end early: on request of the control plane, because it lost its step, or with the worker. */
type Interruption = 'cancelled' | 'stale' | 'worker-ends';

/** What an attempt needs of the worker that runs it, beside its options. */
export interface AttemptPlaces {
  /** A folder for the attempt alone. */
  readonly dir: string;
  /** What is asked for with the report, for the slot that becomes free; nothing from a worker that ends. */
  next(): WorkOffer | undefined;
  /** Told when the step runs: there is time for something else. */
  started(): void;
}

export type WorkOffer = NonNullable<FinishBody['next']>;

/** Runs one leased attempt to its end and reports it. Resolves to the work that came with the answer. */
export async function runAttempt(
  attempt: LeasedAttempt,
  options: WorkerOptions,
  places: AttemptPlaces,
): Promise<LeasedAttempt[]> {
  return new AttemptRun(attempt, options, places).run();
}

class AttemptRun {
  readonly #attempt: LeasedAttempt;
  readonly #options: WorkerOptions;
  readonly #places: AttemptPlaces;
  readonly #logs: LogShipper;
  readonly #over = new AbortController();
  #execution: Execution | undefined;
  #interruption: Interruption | undefined;
  #progress: Progress | undefined;
  readonly #metrics = new Map<string, number>();
  #usage: AttemptUsage | undefined;

  constructor(attempt: LeasedAttempt, options: WorkerOptions, places: AttemptPlaces) {
    this.#attempt = attempt;
    this.#options = options;
    this.#places = places;
    const { client, system, signal: hurry } = options;
    const { epoch } = attempt;
    const params = { attempt: attempt.attempt };
    this.#logs = new LogShipper({
      system,
      hurry,
      send: (lines, signal) => client.appendWorkLog({ params, body: { epoch, lines }, signal }),
      hold: (isHeld) => this.#execution?.hold?.(isHeld),
    });
  }

  async run(): Promise<LeasedAttempt[]> {
    const { attempt, step } = this.#attempt;
    const { signal, logger } = this.#options;
    const end = (): void => this.#interrupt('worker-ends');
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    const beating = this.#beat();
    try {
      const report = await this.#work(this.#places.dir);
      if (report.status === 'failed') {
        this.#logs.push('worker', `${report.error.kind}: ${report.error.message}`);
      }
      return this.#interruption === 'stale' ? [] : await this.#report(report);
    } catch (error) {
      if (!isStale(error)) throw error;
      logger.info({ attempt, step }, 'the attempt lost its step; its work is discarded');
      return [];
    } finally {
      this.#over.abort();
      signal.removeEventListener('abort', end);
      await beating;
    }
  }

  async #work(dir: string): Promise<Report> {
    let prepared: Prepared;
    try {
      prepared = await prepare(this.#attempt, dir, this.#options);
    } catch (error) {
      return failed('transfer', messageOf(error));
    }
    if (this.#interruption) return { status: 'stopped' };
    const environment = this.#options.describe?.({ id: this.#attempt.attempt, ...prepared });
    let exit: Exit;
    try {
      exit = await this.#execute(prepared);
    } catch (error) {
      return failed('not-started', messageOf(error));
    }
    if (exit.outputBytesCut > 0) this.#logs.push('worker', `${exit.outputBytesCut} bytes of output were cut off`);
    if (this.#interruption) return { status: 'stopped' };
    const outcome = await outcomeOf(this.#attempt, exit, { prepared, blobs: this.#options.blobs });
    const seen = environment ? { environment: await environment } : {};
    if (!outcome.ok) return { ...failed(outcome.error.kind, outcome.error.message), ...seen };
    return { status: 'succeeded', outputs: outcome.outputs, result: outcome.result, ...seen };
  }

  async #execute({ command, cwd, env, stdin, serves }: Prepared): Promise<Exit> {
    const stdout = new LineSplitter((line) => this.#line(line));
    const stderr = new LineSplitter((line) => this.#logs.push('stderr', line));
    const outputBytesMax = this.#options.isRemote ? REMOTE_OUTPUT_BYTES_MAX : OUTPUT_BYTES_MAX;
    this.#execution = await this.#options.executor.start({
      id: this.#attempt.attempt,
      command,
      cwd,
      env,
      ...(stdin ? { stdin } : {}),
      ...(serves ? { serves } : {}),
      resources: this.#attempt.resources,
      limits: { wallMs: this.#attempt.timeoutMs, outputBytesMax, graceMs: GRACE_MS },
      onOutput: (stream, chunk) => (stream === 'stdout' ? stdout : stderr).push(chunk),
    });
    if (this.#interruption) void this.#execution.stop(GRACE_MS);
    this.#places.started();
    const exit = await this.#execution.exited;
    stdout.end();
    stderr.end();
    const { cpuMs, rssPeakBytes, readBytes, writtenBytes } = exit;
    this.#usage = { cpuMs, rssPeakBytes, readBytes, writtenBytes };
    return exit;
  }

  #line(line: string): void {
    const marker = parseMarker(line);
    if (!marker) this.#logs.push('stdout', line);
    else if (marker.type === 'progress') this.#progress = marker.progress;
    else if (this.#metrics.has(marker.name) || this.#metrics.size < METRICS_MAX) {
      this.#metrics.set(marker.name, marker.value);
    }
  }

  /** The first reason counts. Everything that the step started is killed with it. */
  #interrupt(reason: Interruption): void {
    if (this.#interruption) return;
    this.#interruption = reason;
    void this.#execution?.stop(GRACE_MS);
  }

  /** Keeps the lease, also while inputs are fetched and outputs are stored, until the attempt is over. */
  async #beat(): Promise<void> {
    const { client, system, logger } = this.#options;
    const { attempt, epoch, leaseMs } = this.#attempt;
    const everyMs = Math.min(BEAT_MS_MAX, leaseMs / BEATS_PER_LEASE);
    for (let delayMs = Math.min(everyMs, FIRST_BEAT_MS); ; delayMs = everyMs) {
      await sleep(system.clock, delayMs, this.#over.signal);
      if (this.#over.signal.aborted) return;
      const waitedMs = this.#execution?.waitedMs?.();
      const body = { epoch, ...this.#seen(), ...this.#place(), ...(waitedMs === undefined ? {} : { waitedMs }) };
      try {
        const { cancel } = await withDeadline(system.clock, { ms: leaseMs, signal: this.#over.signal }, (signal) =>
          client.heartbeatWork({ params: { attempt }, body, signal }),
        );
        if (cancel) this.#interrupt('cancelled');
      } catch (error) {
        if (this.#over.signal.aborted) return;
        if (isStale(error)) return this.#interrupt('stale');
        logger.debug({ attempt }, `heartbeat failed: ${messageOf(error)}`);
      }
    }
  }

  #seen() {
    return {
      ...(this.#progress ? { progress: this.#progress } : {}),
      ...(this.#metrics.size > 0 ? { metrics: Object.fromEntries(this.#metrics) } : {}),
    };
  }

  #place(): { readonly place?: AttemptPlace } {
    const { executorName: executor } = this.#options;
    if (executor === undefined) return {};
    return { place: { executor, job: this.#execution?.job?.() ?? null } };
  }

  async #report(report: Report): Promise<LeasedAttempt[]> {
    const { client, system, signal: hurry } = this.#options;
    const { attempt, epoch } = this.#attempt;
    await this.#logs.close();
    const seen = { ...this.#seen(), ...this.#place(), ...(this.#usage ? { usage: this.#usage } : {}) };
    const send = async (body: Report): Promise<LeasedAttempt[]> => {
      const next = this.#places.next();
      const said = { ...body, epoch, ...seen, ...(next ? { next } : {}) };
      const { attempts } = await deliver(system, hurry, (signal) =>
        client.finishWork({ params: { attempt }, body: said, signal }),
      );
      return attempts;
    };
    try {
      return await send(report);
    } catch (error) {
      // The report itself is refused, such as for an output that the control plane does not find in its store.
      if (!isRefusal(error) || isStale(error) || report.status !== 'succeeded') throw error;
      return send(failed('transfer', messageOf(error)));
    }
  }
}

function failed(kind: StepError['kind'], message: string): Report & { status: 'failed' } {
  return { status: 'failed', error: { kind, message: message.slice(0, MESSAGE_LENGTH_MAX) } };
}
