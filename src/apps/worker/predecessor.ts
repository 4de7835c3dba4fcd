import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '#core/errors';
import type { Logger } from '#platform/observe';

/** One process of a worker, as the control plane knows it. */
export interface WorkerInstance {
  readonly worker: string;
  readonly instance: string;
}

const FILE = 'instance.json';

/**
 * Who had this directory before. It is one worker's alone, so that process is dead, and what it held need not wait for
 * its lease to run out. `undefined` when nobody had it, or when the file cannot be read: then leases run out.
 */
export async function readPredecessor(scratchDir: string, logger: Logger): Promise<WorkerInstance | undefined> {
  try {
    const { worker, instance } = JSON.parse(await readFile(join(scratchDir, FILE), 'utf8'));
    return typeof worker === 'string' && typeof instance === 'string' ? { worker, instance } : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      logger.warn(`who ran here before cannot be told: ${messageOf(error)}`);
    }
    return undefined;
  }
}

/** Leaves word for the next process of this worker. Without it, a lease has to run out before work goes on. */
export async function signIn(scratchDir: string, self: WorkerInstance, logger: Logger): Promise<void> {
  try {
    await writeFile(join(scratchDir, FILE), JSON.stringify(self));
  } catch (error) {
    logger.warn(`the next process of this worker will not know of this one: ${messageOf(error)}`);
  }
}
