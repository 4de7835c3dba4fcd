import type { System } from '#core/system';
import type { Logger, Metrics } from '#platform/observe';
import type { SyncEventLog } from '#ports/event-log';
import type { Prediction, ShadowResult } from '../prediction.ts';
import { Backlog } from './backlog.ts';
import { Recorder } from './recorder.ts';
import { Shipper, type ShipperOptions } from './shipper.ts';

export interface RecordingOptions extends Pick<ShipperOptions, 'post' | 'scoreAgain'> {
  readonly log: SyncEventLog;
  /** What processes that are no more have left. */
  readonly leftLogs: readonly SyncEventLog[];
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Entries that may wait for the control plane. */
  readonly queueMax: number;
  /** How long after its answer a prediction is written at most; 0 writes it before. */
  readonly delayMs: number;
  readonly shipEveryMs: number;
}

/** What one process records of its predictions: written to its log, and sent to the control plane from there. */
export class Recording {
  readonly #recorder: Recorder;
  readonly #shippers: readonly Shipper[];

  /** Sends nothing before {@link start}. */
  constructor(options: RecordingOptions) {
    const { log, leftLogs, system, logger, metrics, queueMax, delayMs, post, scoreAgain } = options;
    const shippedTotal = metrics.counter('kedge_gateway_shipped_total', 'Recorded predictions sent.', ['outcome']);
    const shipping = { system, logger, shippedTotal, post, everyMs: options.shipEveryMs };
    const backlog = new Backlog();
    const shipper = new Shipper({ ...shipping, log, backlog, scoreAgain });
    // A score beside an answer would be written to another log than its answer: what was left goes without.
    const left = leftLogs.map((each) => {
      return new Shipper({ ...shipping, log: each, backlog: new Backlog(), scoreAgain: () => [] });
    });
    this.#recorder = new Recorder({
      ...{ log, backlog, logger, metrics, clock: system.clock, queueMax, delayMs },
      onRecorded: () => shipper.wake(),
    });
    this.#shippers = [shipper, ...left];
  }

  async start(): Promise<void> {
    for (const shipper of this.#shippers) await shipper.start();
  }

  record(predictions: readonly Prediction[]): void {
    this.#recorder.record(predictions);
  }

  recordShadows(results: readonly ShadowResult[]): void {
    this.#recorder.recordShadows(results);
  }

  /** Sends everything recorded so far and tells how many predictions that were. */
  async flush(): Promise<number> {
    await this.#recorder.flush();
    const sent = await Promise.all(this.#shippers.map((shipper) => shipper.flush()));
    return sent.reduce((sum, records) => sum + records, 0);
  }

  /** Writes what is to be written and stops sending: the rest stays in the log for the next start. */
  async close(): Promise<void> {
    await this.#recorder.flush();
    await Promise.all(this.#shippers.map((shipper) => shipper.stop()));
  }
}
