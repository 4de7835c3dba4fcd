import { appendFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';

/** Takes lines that are written together a little later, so that a line costs its writer next to nothing. */
export interface LineFile {
  write(line: string): void;
  /** Resolves when everything is written, as far as it can be. */
  close(): Promise<void>;
}

export interface LineFileOptions {
  readonly clock: Pick<Clock, 'after'>;
  /** Told once of each reason for which lines are lost. */
  readonly onLoss: (why: string) => void;
}

/** Written at once when so many characters have gathered, and else within this time. */
const GATHERED_MAX = 262_144;
const GATHERED_MS = 500;
/** More that a slow disk has not taken is dropped: whoever is watched must not wait for whoever watches. */
const WAITING_MAX = 16 * 1024 * 1024;

/**
 * Appends lines to a file, or to standard output for `-`. Several processes may write to one file, since whole lines
 * are appended at once; the file is opened anew each time, so that it may be renamed to make room for another.
 */
export function openLineFile(path: string, { clock, onLoss }: LineFileOptions): LineFile {
  const told = new Set<string>();
  const lose = (why: string): void => {
    if (!told.has(why)) onLoss(why);
    told.add(why);
  };
  let gathered: string[] = [];
  let size = 0;
  let writing: Promise<void> | undefined;
  let cancelTimer: (() => void) | undefined;
  const flush = (): void => {
    cancelTimer?.();
    cancelTimer = undefined;
    if (writing || gathered.length === 0) return;
    const text = gathered.join('');
    gathered = [];
    size = 0;
    writing = append(path, text)
      .catch((error) => lose(messageOf(error)))
      .then(() => {
        writing = undefined;
        if (size >= GATHERED_MAX) flush();
        else if (gathered.length > 0) cancelTimer ??= clock.after(GATHERED_MS, flush);
      });
  };
  return {
    write(line) {
      if (size > WAITING_MAX) {
        lose('they come faster than they can be written');
        return;
      }
      gathered.push(line, '\n');
      size += line.length + 1;
      if (size >= GATHERED_MAX) flush();
      else cancelTimer ??= clock.after(GATHERED_MS, flush);
    },
    async close() {
      while (writing || gathered.length > 0) {
        flush();
        await writing;
      }
    },
  };
}

async function append(path: string, text: string): Promise<void> {
  if (path === '-') {
    await new Promise<void>((resolve) => process.stdout.write(text, () => resolve()));
    return;
  }
  await appendFile(path, text).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    await mkdir(dirname(path), { recursive: true });
    await appendFile(path, text);
  });
}
