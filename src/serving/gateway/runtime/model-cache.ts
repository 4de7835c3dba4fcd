import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Digest } from '#core/hash';
import { formatBytes } from '#core/units';
import type { Logger } from '#platform/observe';
import type { BlobStore } from '#ports/blob-store';
import { gatewayErrors } from '../errors.ts';
import { loadModel, memoryEstimate } from './load-model.ts';
import type { ModelFile, ModelRuntime, RuntimeChoice } from './model-runtime.ts';

export interface ModelCacheOptions {
  readonly blobs: Pick<BlobStore, 'size' | 'localPath'>;
  readonly memoryBytesMax: number;
  readonly choice: RuntimeChoice;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Loaded {
  readonly runtime: ModelRuntime;
  lastUse: number;
}

/** A model that could not be loaded is left alone for so long, so that a broken file does not cost every request. */
const RETRY_MS = 1_000;

/**
 * The models in memory, least recently used first out.
 *
 * 1. A model is loaded once, however many ask for it at the same time.
 * 2. Nobody gets a model before it is warm.
 * 3. The estimates of what is loaded stay within `memoryBytesMax`: room is made before a model is loaded.
 * 4. A model is never unloaded under an inference. An inline one infers within one turn of the event loop, in which
 *    nothing is unloaded, and a thread finishes what it was sent before it sees the request to end. So a runtime must
 *    be used in the turn in which it was got, and not be kept; {@link ModelCache.ready} costs next to nothing.
 */
export class ModelCache {
  readonly #options: ModelCacheOptions;
  readonly #loaded = new Map<Digest, Loaded>();
  readonly #loading = new Map<Digest, Promise<void>>();
  readonly #failed = new Map<Digest, { readonly until: number; readonly message: string }>();
  #uses = 0;
  #reservedBytes = 0;

  constructor(options: ModelCacheOptions) {
    this.#options = options;
  }

  /** The model, if it is loaded. For use in this turn of the event loop. */
  ready(digest: Digest): ModelRuntime | undefined {
    const loaded = this.#loaded.get(digest);
    if (!loaded) return undefined;
    if (!loaded.runtime.usable) {
      this.#loaded.delete(digest);
      return undefined;
    }
    loaded.lastUse = ++this.#uses;
    return loaded.runtime;
  }

  /** Resolves when the model is loaded; call {@link ready} in that same turn. Throws `gateway/model-unavailable`. */
  async load(file: ModelFile): Promise<void> {
    if (this.ready(file.digest)) return;
    const failed = this.#failed.get(file.digest);
    if (failed && failed.until > this.#options.clock.monotonic()) {
      throw gatewayErrors['model-unavailable'](failed.message);
    }
    let loading = this.#loading.get(file.digest);
    if (!loading) {
      loading = this.#load(file).finally(() => this.#loading.delete(file.digest));
      this.#loading.set(file.digest, loading);
    }
    await loading;
  }

  /** Estimated bytes of everything that is loaded or being loaded. */
  get memoryBytes(): number {
    let total = this.#reservedBytes;
    for (const { runtime } of this.#loaded.values()) total += runtime.memoryBytes;
    return total;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#loading.values());
    const runtimes = [...this.#loaded.values()].map(({ runtime }) => runtime);
    this.#loaded.clear();
    await Promise.all(runtimes.map((runtime) => runtime.unload()));
  }

  async #load({ digest, shape }: ModelFile): Promise<void> {
    const { blobs, choice, clock, logger } = this.#options;
    let reserved = 0;
    try {
      const fileBytes = await blobs.size(digest);
      const path = await blobs.localPath(digest, { bytes: fileBytes });
      reserved = this.#makeRoom(memoryEstimate(fileBytes));
      const runtime = await loadModel({ path, fileBytes, shape, choice, clock });
      this.#failed.delete(digest);
      this.#loaded.set(digest, { runtime, lastUse: ++this.#uses });
      const { kind, rowMs, memoryBytes } = runtime;
      logger.info({ digest, runtime: kind, rowMs, memoryBytes }, 'model loaded');
    } catch (error) {
      const message = `model ${digest} cannot be loaded: ${messageOf(error)}`;
      this.#failed.set(digest, { until: clock.monotonic() + RETRY_MS, message });
      logger.error({ digest, err: error }, message);
      throw gatewayErrors['model-unavailable'](message);
    } finally {
      this.#reservedBytes -= reserved;
    }
  }

  /** Unloads the least recently used until `bytes` fit, and reserves them. Throws when they can never fit. */
  #makeRoom(bytes: number): number {
    const { memoryBytesMax, logger } = this.#options;
    while (this.memoryBytes + bytes > memoryBytesMax) {
      const [digest, oldest] = [...this.#loaded].sort(([, a], [, b]) => a.lastUse - b.lastUse)[0] ?? [];
      if (!digest || !oldest) {
        const needed = `it needs about ${formatBytes(bytes)} of the ${formatBytes(memoryBytesMax)} for models`;
        throw new Error(`${needed} (KEDGE_MODEL_MEMORY_BYTES), and the rest is in use`);
      }
      this.#loaded.delete(digest);
      void oldest.runtime.unload();
      logger.info({ digest }, 'model unloaded to make room');
    }
    this.#reservedBytes += bytes;
    return bytes;
  }
}
