import { backoffMs } from '#core/backoff';
import { type Clock, sleep } from '#core/clock';
import type { Random } from '#core/random';
import { ApiError, type KubernetesApi } from './client.ts';
import type { ReadList, ReadObject, ReadStatus } from './objects.ts';

export interface CollectionOptions<T extends ReadObject> {
  readonly api: KubernetesApi;
  /** `/api/v1/namespaces/default/pods` */
  readonly path: string;
  readonly labelSelector: string;
  readonly clock: Clock;
  readonly random: Random;
  /** An object as it is now. The same state may be told again. */
  readonly onObject: (object: T) => void;
  /** The last that was seen of an object that is gone. */
  readonly onGone: (object: T) => void;
  /** Everything that was there when a list was asked for and is not in `names` is gone, seen before or not. */
  readonly onListed?: (names: ReadonlySet<string>) => void;
  /** Called before a list is asked for. */
  readonly onListing?: () => void;
}

/** The server ends a watch after this time, so that many clients do not come back at once after its restart. */
const WATCH_SECONDS = 290;
/** A connection on which nothing came for longer, not even the end of the watch, is dead. */
const SILENCE_MS = (WATCH_SECONDS + 30) * 1000;
const PAGE = 500;
const BACKOFF_CAP_MS = 10_000;
const LINE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Follows the objects of a collection: lists them, then watches from the version of that list on. A version that the
 * server has forgotten (410) leads to a new list, and whatever is not in it any more is reported as gone.
 */
export class Collection<T extends ReadObject> {
  readonly #options: CollectionOptions<T>;
  readonly #known = new Map<string, T>();
  #version: string | undefined;

  constructor(options: CollectionOptions<T>) {
    this.#options = options;
  }

  /** Follows until the signal. An API server that cannot be reached is asked again, with back-off. */
  async follow(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) await this.#list(signal);
        await this.#watch(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError && error.status === 410) {
          this.#version = undefined;
          if (failures === 0) {
            failures = 1;
            continue;
          }
        }
        const waitMs = error instanceof ApiError ? error.retryAfterMs : undefined;
        await sleep(clock, waitMs ?? backoffMs(failures++, random, { capMs: BACKOFF_CAP_MS }), signal);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { api, path, labelSelector, onListing, onListed } = this.#options;
    onListing?.();
    const names = new Set<string>();
    let page: string | undefined;
    do {
      const query = { labelSelector, limit: PAGE, continue: page };
      const list: ReadList<T> = await api.call('GET', path, { query, signal });
      for (const object of list.items) {
        names.add(object.metadata.name);
        this.#see(object);
      }
      page = list.metadata.continue || undefined;
      this.#version = list.metadata.resourceVersion;
    } while (page);
    for (const [name, object] of this.#known) if (!names.has(name)) this.#lose(object);
    onListed?.(names);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { api, path, labelSelector } = this.#options;
    const query = {
      labelSelector,
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: this.#version,
      timeoutSeconds: WATCH_SECONDS,
    };
    const response = await api.open('GET', path, { query, signal });
    response.setTimeout(SILENCE_MS, () => void response.destroy());
    try {
      for await (const line of linesOf(response)) this.#event(JSON.parse(line) as WatchEvent<T>);
    } catch (error) {
      throw error instanceof ApiError ? error : new ApiError(0, `the watch was lost: ${String(error)}`);
    }
  }

  #event({ type, object }: WatchEvent<T>): void {
    if (type === 'ERROR') {
      const { code = 500, message = 'the watch ended with an error', reason = '' } = object as ReadStatus;
      throw new ApiError(code, message, { reason });
    }
    const found = object as T;
    this.#version = found.metadata.resourceVersion ?? this.#version;
    if (type === 'DELETED') this.#lose(found);
    else if (type !== 'BOOKMARK') this.#see(found);
  }

  #see(object: T): void {
    this.#known.set(object.metadata.name, object);
    this.#options.onObject(object);
  }

  #lose(object: T): void {
    this.#known.delete(object.metadata.name);
    this.#options.onGone(object);
  }
}

interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T | ReadStatus;
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let pending: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...pending, chunk.subarray(from, end)]).toString('utf8');
      [pending, bytes, from] = [[], 0, end + 1];
      if (line.trim() !== '') yield line;
    }
    pending.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > LINE_BYTES_MAX) throw new ApiError(0, `an event of the watch has more than ${LINE_BYTES_MAX} bytes`);
  }
}
