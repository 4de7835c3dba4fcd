import type { Context, Database, Tx } from '#platform/db';
import { findLifecycles } from '../store/runs.ts';
import { knownSeries } from '../store/series.ts';
import { type LoggedMetric, logMetrics, type MetricsOfRun } from './log-metrics.ts';
import { writable } from './require.ts';

/** So many points are written together; a batch with more of them is written by itself. */
const POINTS_MAX = 4_000;

/** A request that waits for its metrics to be written. Each is an open connection, which bounds how many there are. */
interface Waiting {
  readonly asker: Context;
  readonly run: string;
  readonly metrics: readonly LoggedMetric[];
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Group commit: metrics that are logged at the same time are written in one transaction, as a commit takes as long for
 * one as for all of them. Each caller is answered after the commit, and gets the error that is its own.
 */
export class MetricWriter {
  readonly #db: Database;
  #line: Waiting[] = [];
  #writing = false;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Logs metrics to a run; all of them or none. */
  log(asker: Context, run: string, metrics: readonly LoggedMetric[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#line.push({ asker, run, metrics, resolve, reject });
      if (!this.#writing) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#writing = true;
    while (this.#line.length > 0) {
      // Requests that have arrived and are not read yet get in line. It is no timer: a lone request waits for nobody.
      await new Promise((resolve) => setImmediate(resolve));
      await this.#write(this.#nextGroup());
    }
    this.#writing = false;
  }

  #nextGroup(): Waiting[] {
    let points = 0;
    const end = this.#line.findIndex(({ metrics }, i) => {
      points += metrics.length;
      return i > 0 && points > POINTS_MAX;
    });
    const group = end < 0 ? this.#line : this.#line.slice(0, end);
    this.#line = end < 0 ? [] : this.#line.slice(end);
    return group;
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    try {
      const refused = await this.#db.maintain((tx) => writeAll(tx, group));
      for (const waiting of group) {
        const refusal = refused.get(waiting);
        if (refusal === undefined) waiting.resolve();
        else waiting.reject(refusal);
      }
    } catch (error) {
      if (group.length === 1) group[0]?.reject(error);
      // Nothing of the group was written. What one of them got wrong is told to that one, and the others are written.
      else for (const waiting of group) await this.#write([waiting]);
    }
  }
}

/** Writes what may be written; returns why the rest may not. */
async function writeAll(tx: Pick<Tx, 'db'>, group: readonly Waiting[]): Promise<Map<Waiting, unknown>> {
  const [states, known] = await Promise.all([
    findLifecycles(tx.db, [...new Set(group.map(({ run }) => run))]),
    knownSeries(tx.db, group),
  ]);
  const refused = new Map<Waiting, unknown>();
  const admitted: MetricsOfRun[] = [];
  for (const waiting of group) {
    try {
      const { asker, run: id, metrics } = waiting;
      admitted.push({ run: writable(states.get(id), asker, id), asker, metrics });
    } catch (error) {
      refused.set(waiting, error);
    }
  }
  await logMetrics(tx, admitted, known);
  return refused;
}
