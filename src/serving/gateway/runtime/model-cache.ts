import { constants } from 'node:fs';
import { copyFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Logger, Metrics } from '#platform/observe';
import type { BlobStore } from '#ports/blob-store';
import type { ModelDeclaration } from '../../model-declaration.ts';
import { gatewayErrors } from '../errors.ts';
import { type DeclaredRuntimes, declaredBytes, readDeclaration } from './declared-runtimes.ts';
import type { GraphPart } from './graph/graph-runtime.ts';
import { loadModel, memoryEstimate } from './load-model.ts';
import { loadTensors } from './load-tensors.ts';
import type {
  ModelFile,
  ModelRuntime,
  PartFinder,
  RuntimeChoice,
  StoredFile,
  TensorFile,
  TensorRuntime,
} from './model-runtime.ts';
import { PinnedModels } from './pinned-models.ts';
import { TabularTensors } from './tabular-tensors.ts';
import { TrialThread } from './trial-thread.ts';

export interface ModelCacheOptions {
  readonly blobs: Pick<BlobStore, 'localPath'>;
  readonly memoryBytesMax: number;
  readonly choice: RuntimeChoice;
  /** Runs what is declared instead of given as a file; absent refuses it. */
  readonly declared?: Pick<DeclaredRuntimes, 'open'> | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics | undefined;
}

interface Loaded {
  readonly runtime: ModelRuntime | TensorRuntime;
  lastUse: number;
}

/** The key of the file, and whether the model is called by the names of its tensors. */
type Key = `columns:${string}` | `tensors:${string}`;

/**
 * A model that could not be loaded is left alone for so long, so that a broken file does not cost every request, and
 * twice as long each time after that: a process that never comes up must not be started every second.
 */
const RETRY_MS = 1_000;
const WARMED_ALWAYS_MAX = 100;
const WARMED_TOGETHER = 8;
/** Part of the memory past which no more models are loaded before somebody asks for them. */
const FULL = 0.9;
/** Models whose time to load is remembered. */
const LOADS_KEPT = 20_000;
const RETRY_MS_MAX = 60_000;

function keyOf(file: ModelFile | TensorFile): Key {
  return 'shape' in file ? `columns:${file.key}` : `tensors:${file.key}`;
}

/** Where a model is while it is loaded. */
interface Place {
  readonly path: string;
  readonly fileBytes: number;
  /** Takes it away again, where it was put there to be loaded. */
  readonly remove?: (() => Promise<void>) | undefined;
}

/** A model with its place among those that were asked for. */
type Placed = [number, ModelFile | TensorFile];

interface Failure {
  readonly until: number;
  readonly message: string;
  /** How often in a row. */
  readonly times: number;
}

/**
 * The models in memory, least recently used first out, except those that are pinned.
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
  readonly #loaded = new Map<Key, Loaded>();
  readonly #loading = new Map<Key, Promise<void>>();
  readonly #failed = new Map<Key, Failure>();
  readonly #loadMs = new Map<Key, number>();
  readonly #trial = new TrialThread();
  readonly #pinned = new PinnedModels();
  readonly #events: ReturnType<Metrics['counter']> | undefined;
  #uses = 0;
  #reservedBytes = 0;

  constructor(options: ModelCacheOptions) {
    this.#options = options;
    const help = 'Models that were loaded, could not be, or left memory to make room.';
    this.#events = options.metrics?.counter('kedge_gateway_models_total', help, ['event']);
  }

  /** The tabular model, if it is loaded. For use in this turn of the event loop. */
  ready({ key }: ModelFile): ModelRuntime | undefined {
    const runtime = this.#ready(`columns:${key}`);
    return runtime && 'infer' in runtime ? runtime : undefined;
  }

  /** How long the model took when it was last loaded here, warming included. */
  loadMs(file: ModelFile | TensorFile): number | undefined {
    return this.#loadMs.get(keyOf(file));
  }

  /** The model of any tensors, if it is loaded. For use in this turn of the event loop. */
  readyTensors({ key }: TensorFile): TensorRuntime | undefined {
    const runtime = this.#ready(`tensors:${key}`);
    return runtime && 'run' in runtime ? runtime : undefined;
  }

  /** Resolves when the model is loaded; call {@link ready} in that same turn. Throws `gateway/model-unavailable`. */
  async load(file: ModelFile): Promise<void> {
    await this.#once(`columns:${file.key}`, file);
  }

  /** Resolves when the model is loaded; call {@link readyTensors} in that same turn. */
  async loadTensors(file: TensorFile): Promise<void> {
    await this.#once(`tensors:${file.key}`, file);
  }

  /** Whether a model of either kind is loaded; it counts as used. */
  holds(file: ModelFile | TensorFile): boolean {
    return this.#ready(keyOf(file)) !== undefined;
  }

  /** What the model is estimated to take, if it is loaded. Looking is no use. */
  bytesOf(file: ModelFile | TensorFile): number | undefined {
    return this.#loaded.get(keyOf(file))?.runtime.memoryBytes;
  }

  /** Keeps these in memory once they are loaded, in place of those that `owner` named before. */
  pin(owner: string, files: readonly (ModelFile | TensorFile)[]): void {
    this.#pinned.pin(owner, files.map(keyOf));
  }

  isPinned(file: ModelFile | TensorFile): boolean {
    return this.#pinned.has(keyOf(file));
  }

  /** Takes a model of any tensors out of memory, and forgets that it could not be loaded. */
  async unloadTensors(file: TensorFile): Promise<void> {
    const key: Key = `tensors:${file.key}`;
    await this.#loading.get(key)?.catch(() => undefined);
    this.#failed.delete(key);
    const loaded = this.#loaded.get(key);
    this.#loaded.delete(key);
    await loaded?.runtime.unload();
  }

  #ready(key: Key): ModelRuntime | TensorRuntime | undefined {
    const loaded = this.#loaded.get(key);
    if (!loaded) return undefined;
    if (!loaded.runtime.usable) {
      this.#loaded.delete(key);
      void loaded.runtime.unload();
      return undefined;
    }
    loaded.lastUse = ++this.#uses;
    return loaded.runtime;
  }

  async #once(key: Key, file: ModelFile | TensorFile): Promise<void> {
    if (this.#ready(key)) return;
    const failed = this.#failed.get(key);
    if (failed && failed.until > this.#options.clock.monotonic()) {
      throw gatewayErrors['model-unavailable'](failed.message);
    }
    let loading = this.#loading.get(key);
    if (!loading) {
      loading = this.#load(key, file).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    await loading;
  }

  /** Estimated bytes of everything that is loaded or being loaded. */
  get memoryBytes(): number {
    let total = this.#reservedBytes;
    for (const { runtime } of this.#loaded.values()) total += runtime.memoryBytes;
    return total;
  }

  /**
   * Loads these models, as far as there is room without taking the place of another when they are many: a table of ten
   * thousand must not load and unload them all before it comes into force. The rest is loaded with the first request.
   * Pinned ones come first, and are always loaded.
   * One that cannot be loaded is told to `onFailure`, by its place.
   */
  async warm(
    files: readonly (ModelFile | TensorFile)[],
    onFailure: (place: number, error: unknown) => void,
  ): Promise<void> {
    const isFew = files.length <= WARMED_ALWAYS_MAX;
    const placed = [...files.entries()];
    const warm = async (some: readonly Placed[], mayGoOn: () => boolean): Promise<void> => {
      const left = some[Symbol.iterator]();
      const loadNext = async (): Promise<void> => {
        while (mayGoOn()) {
          const { value, done } = left.next();
          if (done) return;
          const [place, file] = value;
          await this.#once(keyOf(file), file).catch((error) => onFailure(place, error));
        }
      };
      await Promise.all(Array.from({ length: WARMED_TOGETHER }, loadNext));
    };
    // Room that another is being loaded into cannot be made free, so that none of the others begins before these.
    const isPinned = ([, file]: Placed): boolean => this.isPinned(file);
    await warm(placed.filter(isPinned), () => true);
    let isFull = false;
    await warm(
      placed.filter((one) => !isPinned(one)),
      () => {
        isFull ||= this.memoryBytes > this.#options.memoryBytesMax * FULL;
        return isFew || !isFull;
      },
    );
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#loading.values());
    const runtimes = [...this.#loaded.values()].map(({ runtime }) => runtime);
    this.#loaded.clear();
    await Promise.all([this.#trial.close(), ...runtimes.map((runtime) => runtime.unload())]);
  }

  async #load(key: Key, file: ModelFile | TensorFile): Promise<void> {
    const { choice, clock, logger } = this.#options;
    const startedMs = clock.monotonic();
    let reserved = 0;
    let remove: Place['remove'];
    try {
      const place = await this.#place(file);
      remove = place.remove;
      const { path, fileBytes } = place;
      const declaration = await readDeclaration(path, fileBytes);
      reserved = this.#makeRoom(key, declaration ? declaredBytes(declaration) : memoryEstimate(fileBytes));
      const shape = 'shape' in file ? file.shape : undefined;
      const request = { path, fileBytes, choice, clock, trial: this.#trial };
      const runtime = declaration
        ? await this.#open(declaration, file, path)
        : shape
          ? await loadModel({ ...request, shape })
          : await loadTensors(request);
      this.#failed.delete(key);
      this.#noteLoad(key, clock.monotonic() - startedMs);
      this.#loaded.set(key, { runtime, lastUse: ++this.#uses });
      const { kind, rowMs, memoryBytes } = runtime;
      this.#events?.inc({ event: 'loaded' });
      logger.info({ model: key, runtime: kind, rowMs, memoryBytes }, 'model loaded');
    } catch (error) {
      const message = `model ${key} cannot be loaded: ${messageOf(error)}`;
      const times = (this.#failed.get(key)?.times ?? 0) + 1;
      const pauseMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (times - 1));
      this.#failed.set(key, { until: clock.monotonic() + pauseMs, message, times });
      this.#events?.inc({ event: 'failed' });
      logger.error({ model: key, err: error }, message);
      throw gatewayErrors['model-unavailable'](message);
    } finally {
      this.#reservedBytes -= reserved;
      await remove?.();
    }
  }

  #noteLoad(key: Key, ms: number): void {
    this.#loadMs.delete(key);
    this.#loadMs.set(key, ms);
    const oldest = this.#loadMs.keys().next().value;
    if (this.#loadMs.size > LOADS_KEPT && oldest !== undefined) this.#loadMs.delete(oldest);
  }

  async #open(
    declaration: ModelDeclaration,
    file: ModelFile | TensorFile,
    path: string,
  ): Promise<ModelRuntime | TensorRuntime> {
    const { declared } = this.#options;
    if (!declared) throw new Error('models that something else runs are not served here');
    const columns = 'shape' in file ? { inputs: file.columns, output: file.shape.output } : undefined;
    const runtime = await declared.open(declaration, {
      ...{ folder: dirname(path), columns },
      partOf: (model) => this.#part(model, file.partOf),
    });
    if (!('shape' in file)) return runtime;
    try {
      return new TabularTensors(runtime, file, declaration.output);
    } catch (error) {
      await runtime.unload();
      throw error;
    }
  }

  async #place(file: ModelFile | TensorFile): Promise<Place> {
    const at = 'at' in file ? file.at : file;
    if ('path' in at) return { path: at.path, fileBytes: await bytesIn(at.path) };
    if ('beside' in at && at.beside && at.beside.length > 0) return this.#together(at, at.beside);
    // The store is asked for nothing else, so that what was fetched once is served while it is away.
    const path = await this.#options.blobs.localPath(at.digest);
    return { path, fileBytes: await bytesIn(path) };
  }

  /** A folder with a model and its weights, which the library that runs it opens while it loads. */
  async #together({ digest }: StoredFile, beside: NonNullable<StoredFile['beside']>): Promise<Place> {
    const { blobs } = this.#options;
    const folder = await mkdtemp(join(tmpdir(), 'kedge-weights-'));
    const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
    try {
      let fileBytes = 0;
      for (const file of [{ path: 'model.onnx', digest }, ...beside]) {
        const from = await blobs.localPath(file.digest);
        await copyFile(from, join(folder, basename(file.path)), constants.COPYFILE_FICLONE);
        fileBytes += await bytesIn(from);
      }
      return { path: join(folder, 'model.onnx'), fileBytes, remove };
    } catch (error) {
      await remove();
      throw error;
    }
  }

  /** A model that a graph uses: loaded now, and with a later run again where it has left memory. */
  async #part(model: string, find: PartFinder | undefined): Promise<GraphPart> {
    if (!find) throw new Error(`its part '${model}' cannot be looked up here`);
    const { revision, file } = await find(model);
    const { path, fileBytes } = await this.#place(file);
    // Two graphs that were parts of each other would wait for each other for ever.
    if ((await readDeclaration(path, fileBytes))?.runtime === 'graph') {
      throw new Error(`its part '${model}' is a graph itself`);
    }
    const ready = async (): Promise<TensorRuntime> => {
      await this.loadTensors(file);
      const runtime = this.readyTensors(file);
      if (runtime) return runtime;
      throw gatewayErrors['model-unavailable'](`${revision} left memory; try again`);
    };
    const { inputs, outputs } = await ready();
    return {
      ...{ revision, inputs, outputs },
      run: async (call) => (this.readyTensors(file) ?? (await ready())).run(call),
    };
  }

  #leastRecent(): readonly [Key, Loaded] | undefined {
    let least: readonly [Key, Loaded] | undefined;
    for (const entry of this.#loaded) {
      if ((!least || entry[1].lastUse < least[1].lastUse) && !this.#pinned.has(entry[0])) least = entry;
    }
    return least;
  }

  get #pinnedBytes(): number {
    let total = 0;
    for (const [key, { runtime }] of this.#loaded) if (this.#pinned.has(key)) total += runtime.memoryBytes;
    return total;
  }

  /** Unloads the least recently used until `bytes` fit, and reserves them. Throws when they can never fit. */
  #makeRoom(wanted: Key, bytes: number): number {
    const { memoryBytesMax: bytesMax, logger } = this.#options;
    while (this.memoryBytes + bytes > bytesMax) {
      const [key, oldest] = this.#leastRecent() ?? [];
      if (!key || !oldest) {
        throw new Error(this.#pinned.noRoomFor(wanted, { bytes, bytesMax, pinnedBytes: this.#pinnedBytes }));
      }
      this.#loaded.delete(key);
      void oldest.runtime.unload();
      this.#events?.inc({ event: 'evicted' });
      logger.info({ model: key }, 'model unloaded to make room');
    }
    this.#reservedBytes += bytes;
    return bytes;
  }
}

async function bytesIn(path: string): Promise<number> {
  return (await stat(path)).size;
}
