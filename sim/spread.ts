import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Shown, Tally } from './tally.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

export interface SpreadOptions {
  readonly from: number;
  readonly count: number;
  readonly processes: number;
  /** Called when a process has told how far it is. */
  readonly onProgress: (shown: Tally) => void;
}

/**
 * Plays worlds in several processes, each a part of the seeds: a world is all work of one thread. Failing seeds are
 * told by the processes themselves. Rejects when one of them ends without having told what it has shown.
 */
export async function playSpread({ from, count, processes, onProgress }: SpreadOptions): Promise<Tally> {
  const shown = new Map<number, Shown>();
  const together = (): Tally => {
    const tally = new Tally();
    for (const part of shown.values()) tally.merge(part);
    return tally;
  };
  const part = async (index: number): Promise<void> => {
    const [begin, end] = [index, index + 1].map((each) => from + Math.floor((count * each) / processes));
    const words = ['--processes', '1', '--from', `${begin}`, '--seeds', `${Number(end) - Number(begin)}`];
    const child = fork(MAIN, words, { serialization: 'advanced' });
    // An interrupt of the terminal reaches all of the group; one that was sent to this process alone is passed on.
    const stop = (): void => void child.kill('SIGTERM');
    process.on('SIGTERM', stop);
    child.on('message', (message: Shown) => {
      shown.set(index, message);
      onProgress(together());
    });
    const [code] = await once(child, 'exit');
    process.off('SIGTERM', stop);
    if (code !== 0 && (shown.get(index)?.failed ?? 0) === 0) {
      throw new Error(`the process that plays from seed ${begin} on ended with ${code}`);
    }
  };
  const ignore = (): void => {};
  process.on('SIGINT', ignore);
  await Promise.all(Array.from({ length: processes }, (_, index) => part(index)));
  process.off('SIGINT', ignore);
  return together();
}
