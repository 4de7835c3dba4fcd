import { messageOf } from '#core/errors';
import type { Digest } from '#core/hash';
import type { Logger } from '#platform/observe';
import type { BlobStore } from '#ports/blob-store';

export interface PrefetchOptions {
  readonly blobs: Pick<BlobStore, 'localPath'>;
  readonly logger: Logger;
  /** Ends when the gateway closes. */
  readonly signal: AbortSignal;
}

/** Files that are fetched at once: requests share the network with them. */
const TOGETHER = 2;
/** Of one table; whoever routes to more has the rest fetched with the first request. */
const FILES_MAX = 5_000;

/**
 * Fetches the files of models that are routed to and not in memory, so that the first request waits for the loading
 * alone. A store on this machine has them already, and looking costs little.
 */
export class Prefetch {
  readonly #options: PrefetchOptions;
  #here = new Set<Digest>();
  #wanted: Digest[] = [];
  #running: Promise<void> | undefined;

  constructor(options: PrefetchOptions) {
    this.#options = options;
  }

  /** Fetches these in the place of those of an earlier table. Resolves when that is done, as far as it can be. */
  want(digests: Iterable<Digest>): Promise<void> {
    const all = new Set(digests);
    this.#here = new Set([...this.#here].filter((digest) => all.has(digest)));
    this.#wanted = [...all].filter((digest) => !this.#here.has(digest)).slice(0, FILES_MAX);
    this.#running ??= this.#fetchAll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #fetchAll(): Promise<void> {
    const { blobs, signal, logger } = this.#options;
    const failed: string[] = [];
    const next = async (): Promise<void> => {
      while (!signal.aborted) {
        const digest = this.#wanted.shift();
        if (digest === undefined) return;
        try {
          await blobs.localPath(digest);
          this.#here.add(digest);
        } catch (error) {
          failed.push(messageOf(error));
        }
      }
    };
    await Promise.all(Array.from({ length: TOGETHER }, next));
    if (failed.length > 0) logger.warn({ files: failed.length, first: failed[0] }, 'files of models cannot be fetched');
  }
}
