import type { LogPage } from '#ports/event-log';
import { decodeEntry } from './entry-codec.ts';
import type { LogEntry, PredictionRecord, ShadowScore } from './prediction-record.ts';

export const BATCH_RECORDS_MAX = 2_000;
/** Below the control plane's limit of a body (1 MiB) with room for what the record becomes in the request. */
export const BATCH_BYTES_MAX = 768 * 1024;

export interface ShipBatch {
  readonly records: readonly PredictionRecord[];
  /** The offset up to which the log is sent with it. */
  readonly last: number;
}

export interface Settlement {
  /** What the page does not hold is not there, or too far away to wait for. */
  readonly complete: boolean;
  /** Nothing that entries up to this offset await can still come. */
  readonly settledEnd: number;
  /** Nor what predictions received before this time await. */
  readonly receivedBefore: number;
  /** The predictions of former processes whose score is being made now. */
  readonly scoredAgain: ReadonlySet<string>;
}

/**
 * The next predictions to send from a page of the log, each joined with the score beside it, and the offset up to which
 * the log is then sent. It ends before a prediction whose score beside it may still come.
 */
export function batchOf(page: LogPage, settlement: Settlement): ShipBatch {
  const { complete, settledEnd, receivedBefore, scoredAgain } = settlement;
  const entries = page.records.map(({ offset, data }) => ({ offset, bytes: data.length, entry: decodeEntry(data) }));
  const shadows = shadowsOf(entries.map(({ entry }) => entry));
  const records: PredictionRecord[] = [];
  let bytesTotal = 0;
  let last = (entries[0]?.offset ?? page.last + 1) - 1;
  for (const { offset, bytes, entry } of entries) {
    if (entry && 'prediction' in entry) {
      const { prediction, awaits } = entry;
      const shadow = shadows.get(prediction.id);
      const over = offset <= settledEnd || prediction.receivedAt < receivedBefore;
      const lost = complete && over && !scoredAgain.has(prediction.id);
      if (awaits !== undefined && !shadow && !lost) break;
      if (records.length === BATCH_RECORDS_MAX || (records.length > 0 && bytesTotal + bytes > BATCH_BYTES_MAX)) break;
      bytesTotal += bytes;
      records.push(awaits === undefined ? prediction : { ...prediction, shadow: shadow ?? lostShadow(awaits) });
    }
    last = offset;
  }
  return { records, last };
}

function shadowsOf(entries: readonly (LogEntry | undefined)[]): Map<string, ShadowScore> {
  const shadows = new Map<string, ShadowScore>();
  for (const entry of entries) if (entry && 'shadowOf' in entry) shadows.set(entry.shadowOf, entry.shadow);
  return shadows;
}

function lostShadow(revision: string): ShadowScore {
  return { revision, score: null, error: 'the gateway ended before it was scored, and its rollout with it' };
}
