import type { LogPage, LogRecord } from '#ports/event-log';
import { decodeEntries, entriesIn } from './entry-codec.ts';
import type { LogEntry, PredictionRecord, ShadowScore } from './prediction-record.ts';

export const BATCH_RECORDS_MAX = 2_000;
/** Of the log: what becomes of it in the request is a few times as much, and the control plane's limit is 8 MiB. */
export const BATCH_BYTES_MAX = 768 * 1024;

export interface ShipBatch {
  readonly records: readonly PredictionRecord[];
  /** How many entries of the log are over with it. */
  readonly entries: number;
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
  const looked = page.records.map(lookAt);
  const shadows = shadowsOf(looked);
  const records: PredictionRecord[] = [];
  let entries = 0;
  let bytes = 0;
  let last = (page.records[0]?.offset ?? page.last + 1) - 1;
  for (const { offset, data, count, single } of looked) {
    const isFull = records.length + count > BATCH_RECORDS_MAX || bytes + data.length > BATCH_BYTES_MAX;
    if (records.length > 0 && isFull) break;
    const over = offset <= settlement.settledEnd;
    const found = single ? settled(single, { shadows, over, settlement }) : predictionsIn(data);
    if (!found) break;
    for (const record of found) records.push(record);
    entries += count;
    bytes += data.length;
    last = offset;
  }
  return { records, entries, last };
}

interface Looked {
  readonly offset: number;
  readonly data: Uint8Array;
  /** How many entries it has. */
  readonly count: number;
  /** What one entry is by itself: one that awaits another, or that another awaits. */
  readonly single: readonly LogEntry[] | undefined;
}

/** A record with several predictions is read when it comes to be sent: a page has more of them than a batch. */
function lookAt({ offset, data }: LogRecord): Looked {
  const count = entriesIn(data);
  return { offset, data, count, single: count === 1 ? decodeEntries(data) : undefined };
}

function shadowsOf(looked: readonly Looked[]): Map<string, ShadowScore> {
  const shadows = new Map<string, ShadowScore>();
  for (const { single = [] } of looked) {
    for (const entry of single) if ('shadowOf' in entry) shadows.set(entry.shadowOf, entry.shadow);
  }
  return shadows;
}

interface Settling {
  readonly shadows: ReadonlyMap<string, ShadowScore>;
  /** Its process is gone. */
  readonly over: boolean;
  readonly settlement: Settlement;
}

/** What there is to send of an entry by itself: `undefined` as long as the score beside it may still come. */
function settled(
  single: readonly LogEntry[],
  { shadows, over, settlement }: Settling,
): readonly PredictionRecord[] | undefined {
  const [entry] = single;
  if (!entry || !('prediction' in entry)) return [];
  const { prediction, awaits } = entry;
  if (awaits === undefined) return [prediction];
  const shadow = shadows.get(prediction.id);
  if (shadow) return [{ ...prediction, shadow }];
  const { complete, receivedBefore, scoredAgain } = settlement;
  const isLost = complete && (over || prediction.receivedAt < receivedBefore) && !scoredAgain.has(prediction.id);
  return isLost ? [{ ...prediction, shadow: lostShadow(awaits) }] : undefined;
}

function predictionsIn(data: Uint8Array): readonly PredictionRecord[] {
  return decodeEntries(data).flatMap((entry) => ('prediction' in entry ? [entry.prediction] : []));
}

function lostShadow(revision: string): ShadowScore {
  return { revision, score: null, error: 'the gateway ended before it was scored, and its rollout with it' };
}
