import type { LogPage, LogRecord } from '#ports/event-log';
import { decodeEntries, encodeEntry, entriesIn } from './entry-codec.ts';
import type { LogEntry, ShadowScore } from './prediction-record.ts';

export const BATCH_RECORDS_MAX = 2_000;
/** What is decoded at a time at the other end. */
export const BATCH_BYTES_MAX = 768 * 1024;

/** Of an entry that is a score, or unreadable. */
const NOTHING = new Uint8Array(0);

export interface ShipBatch {
  /** As the log has them, and each with the score beside it. */
  readonly records: readonly Uint8Array[];
  readonly predictions: number;
  /** How many entries of the log are over with it. */
  readonly entries: number;
  /** The offset up to which the log is sent with it. */
  readonly last: number;
  /** It has as much as a batch takes: the page has more for the next. */
  readonly isFull: boolean;
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
  const records: Uint8Array[] = [];
  let predictions = 0;
  let entries = 0;
  let bytes = 0;
  let last = (page.records[0]?.offset ?? page.last + 1) - 1;
  let isFull = false;
  for (const { offset, data, count, single } of looked) {
    const isBeyond = predictions + count > BATCH_RECORDS_MAX || bytes + data.length > BATCH_BYTES_MAX;
    isFull = records.length > 0 && isBeyond;
    if (isFull) break;
    const over = offset <= settlement.settledEnd;
    const found = single ? settled(single, data, { shadows, over, settlement }) : data;
    if (!found) break;
    if (found !== NOTHING) {
      records.push(found);
      predictions += count;
    }
    entries += count;
    bytes += data.length;
    last = offset;
  }
  return { records, predictions, entries, last, isFull };
}

interface Looked {
  readonly offset: number;
  readonly data: Uint8Array;
  /** How many entries it has. */
  readonly count: number;
  /** What one entry is by itself: one that awaits another, or that another awaits. */
  readonly single: readonly LogEntry[] | undefined;
}

/** A record with several predictions is sent as it is. */
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
  [entry]: readonly LogEntry[],
  data: Uint8Array,
  { shadows, over, settlement }: Settling,
): Uint8Array | undefined {
  if (!entry || !('prediction' in entry)) return NOTHING;
  const { prediction, awaits } = entry;
  if (awaits === undefined) return data;
  const shadow = shadows.get(prediction.id);
  if (shadow) return encodeEntry({ prediction: { ...prediction, shadow } });
  const { complete, receivedBefore, scoredAgain } = settlement;
  const isLost = complete && (over || prediction.receivedAt < receivedBefore) && !scoredAgain.has(prediction.id);
  return isLost ? encodeEntry({ prediction: { ...prediction, shadow: lostShadow(awaits) } }) : undefined;
}

function lostShadow(revision: string): ShadowScore {
  return { revision, score: null, error: 'the gateway ended before it was scored, and its rollout with it' };
}
