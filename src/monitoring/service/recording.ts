import type { Label, PredictionRecord } from '../contract.ts';
import { type Progress, windowStartOf } from '../model.ts';
import { knowRollout, progressOfEndpoints, reopen, watermarkOf } from '../store/progress.ts';
import { eventTimesOf, insertLabels, insertPredictions } from '../store/records.ts';
import type { Db } from '../store/tables.ts';
import type { MonitoringDeps } from './deps.ts';

interface Recorded {
  readonly recorded: number;
  readonly duplicates: number;
}

/** Takes in predictions and labels, in any order, any number of times. What is late opens its windows again. */
export class Recording {
  readonly #deps: MonitoringDeps;

  constructor(deps: MonitoringDeps) {
    this.#deps = deps;
  }

  recordPredictions(records: readonly PredictionRecord[]): Promise<Recorded> {
    return this.#deps.db.maintain(async (tx) => {
      const recorded = await insertPredictions(tx.db, records);
      const rollouts = new Map(records.flatMap((r) => (r.rollout === undefined ? [] : [[r.rollout, r.endpoint]])));
      for (const [rollout, endpoint] of rollouts) await knowRollout(tx.db, rollout, endpoint);
      if (recorded > 0) await reopenWindows(tx.db, records, true);
      return { recorded, duplicates: records.length - recorded };
    });
  }

  recordLabels(labels: readonly Label[]): Promise<Recorded> {
    return this.#deps.db.maintain(async (tx) => {
      const recorded = await insertLabels(tx.db, labels);
      await reopenWindows(tx.db, await eventTimesOf(tx.db, recorded), false);
      return { recorded: recorded.length, duplicates: labels.length - recorded.length };
    });
  }
}

/**
 * Marks the windows that the watermark had passed. Whether a marked window is evaluated already is looked up when the
 * watermark advances: evaluation reads outside a transaction, so at this moment it may be under way.
 */
async function reopenWindows(
  db: Db,
  facts: readonly { readonly endpoint: string; readonly at: number }[],
  byPredictions: boolean,
): Promise<void> {
  if (facts.length === 0) return;
  const byEndpoint = Map.groupBy(facts, (fact) => fact.endpoint);
  const monitors = await progressOfEndpoints(db, [...byEndpoint.keys()]);
  for (const [endpoint, items] of byEndpoint) {
    const watermark = await watermarkOf(db, endpoint);
    if (watermark === undefined) continue;
    const watching = monitors.filter((monitor) => monitor.endpoint === endpoint);
    await reopen(
      db,
      watching.flatMap((monitor) => passedWindows(monitor, items, watermark)),
      byPredictions,
    );
  }
}

function passedWindows(monitor: Progress, facts: readonly { readonly at: number }[], watermark: number) {
  const starts = new Set(facts.map(({ at }) => windowStartOf(at, monitor.windowMs)));
  return [...starts]
    .filter((start) => start + monitor.windowMs <= watermark)
    .map((start) => ({ monitor: monitor.monitor, start }));
}
