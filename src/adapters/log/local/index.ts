import { mkdir, open, truncate } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Clock, systemClock } from '#core/clock';
import type { EventLogReader, SyncEventLog } from '#ports/event-log';
import { largestCursor } from './cursor.ts';
import { takeLock } from './lock.ts';
import { LocalLogReader } from './reader.ts';
import { scanSegment } from './scan.ts';
import { listSegments, segmentName, segmentPath } from './segments.ts';
import { LocalLogWriter, type LogEnd } from './writer.ts';

export interface LocalLogOptions {
  /** The folder of the log. It is made if it does not exist, and belongs to the log alone. */
  readonly folder: string;
  /** Times the flushes of `fsync: 'interval'`. */
  readonly clock?: Clock;
  /** A segment that an append would make longer than this is followed by a new one. 64 MiB by default. */
  readonly segmentBytes?: number;
  /** Appends that would make all segments together longer than this fail. 16 GiB by default. */
  readonly logBytesMax?: number;
  /**
   * When records reach the disk, and so survive a crash of the machine; a crash of the process they always survive.
   * `always`: before the append is over. `interval`: at most `fsyncIntervalMs` later. `never`, the default: when the
   * operating system gets to it, on Linux after about 30 seconds.
   */
  readonly fsync?: 'always' | 'interval' | 'never';
  /** 1,000 by default. */
  readonly fsyncIntervalMs?: number;
  /** Told about everything that was found damaged at the end of the log when it was opened. */
  readonly onFinding?: (finding: LogFinding) => void;
}

/** What opening the log found in its newest segment. */
export interface LogFinding {
  /**
   * `torn`: an append was cut off by a crash and is removed. `corrupt`: sound records follow the damaged bytes; they
   * stay as they are, and reading there fails. `lost`: consumers have seen records that the disk no longer has, after a
   * crash of the machine; their offsets are not used again.
   */
  readonly kind: 'torn' | 'corrupt' | 'lost';
  readonly segment: string;
  /** The place in the segment file. */
  readonly position: number;
  /** How many bytes were cut off or are damaged. */
  readonly bytes: number;
  /** The offset of the last sound record before it. */
  readonly after: number;
}

/** Opens the log of a folder for writing. Fails with `log/locked` if another process, or this one, writes to it. */
export async function openLocalLog(options: LocalLogOptions): Promise<SyncEventLog> {
  const folder = resolve(options.folder);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const unlock = takeLock(folder);
  try {
    const bases = await listSegments(folder);
    const settings = {
      folder,
      clock: options.clock ?? systemClock,
      segmentBytes: options.segmentBytes ?? 64 * 1024 ** 2,
      logBytesMax: options.logBytesMax ?? 16 * 1024 ** 3,
      fsync: options.fsync ?? 'never',
      fsyncIntervalMs: options.fsyncIntervalMs ?? 1_000,
    };
    const end = await recover(folder, bases.at(-1), options.onFinding ?? (() => {}));
    return new LocalLogWriter(settings, end, { bases, unlock });
  } catch (error) {
    unlock();
    throw error;
  }
}

/** Opens the log of a folder for reading, while another process may write to it. Without a log there it is empty. */
export function openLocalLogReader(options: Pick<LocalLogOptions, 'folder'>): EventLogReader {
  return new LocalLogReader(options.folder);
}

/** Finds the end of the newest segment and cuts off what a crash left behind it. */
async function recover(
  folder: string,
  base: number | undefined,
  report: (finding: LogFinding) => void,
): Promise<LogEnd> {
  const seen = await largestCursor(join(folder, 'cursors'));
  if (base === undefined) return { base: seen, bytes: 0, end: seen };
  const segment = segmentName(base);
  const path = segmentPath(folder, base);
  let end = { after: base, position: 0 };
  let torn: LogFinding | undefined;
  const file = await open(path, 'r');
  try {
    for await (const found of scanSegment(file, end)) {
      if (found.kind === 'frame') {
        end = found.place;
        continue;
      }
      const { after, position, bytes, next } = found.gap;
      const finding = { segment, position, bytes, after };
      if (next) report({ kind: 'corrupt', ...finding });
      else torn = { kind: 'torn', ...finding };
    }
  } finally {
    await file.close();
  }
  if (torn) {
    await truncate(path, torn.position);
    report(torn);
  }
  if (seen <= end.after) return { base, bytes: end.position, end: end.after };
  report({ kind: 'lost', segment, position: end.position, bytes: 0, after: end.after });
  return { base: seen, bytes: 0, end: seen };
}
