import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '#core/errors';
import { digestOf } from '#core/hash';
import { DECLARATION_FILE } from '../../model-declaration.ts';
import type { BatchPolicy } from '../batching/batch-policy.ts';
import { gatewayErrors, invalidField } from '../errors.ts';
import type { ModelCache } from '../runtime/model-cache.ts';
import type { PartFinder, TensorFile, TensorRuntime } from '../runtime/model-runtime.ts';
import type { TensorSpec } from '../tensors/tensor.ts';
import { batchingOf } from './dynamic-batching.ts';
import { configOfJson, configOfText, DEFAULT_CONFIG, type ModelConfig, type VersionPolicy } from './model-config.ts';

/** One version of a model of the repository, loaded at least once. */
export interface RepositoryVersion {
  readonly model: string;
  readonly version: string;
  readonly file: TensorFile;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Rows of one request and of one run; 0 when the first dimension is no batch. */
  readonly maxBatchSize: number;
  /** How its requests wait; absent where nothing is declared, and those of one turn are joined. */
  readonly batching?: BatchPolicy | undefined;
  /** What the places of an output stand for, by output. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
}

export interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: 'READY' | 'UNAVAILABLE';
  readonly reason: string;
  /** Of what is loaded; null where it is not in memory. Told to whoever asks for it. */
  readonly memory_bytes?: number | null;
  readonly pinned?: boolean;
}

export interface RepositoryOptions {
  /** `<model>/<version>/model.onnx`, and `<model>/config.pbtxt` if need be. Absent serves no repository. */
  readonly folder: string | undefined;
  /** Whether clients may load and unload models. */
  readonly control: boolean;
  readonly cache: ModelCache;
  /** Where models that clients send are kept while the gateway runs. */
  readonly uploads: string;
  /** Rows of a run of a model that sets no limit itself. */
  readonly rowsMax: number;
}

/** What a client sends with a load: another configuration, and files in place of those of the folder. */
export interface LoadParameters {
  readonly config?: string | undefined;
  /** Contents by `<version>/<file name>`. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

interface Version {
  readonly file: TensorFile;
  served?: RepositoryVersion;
  failure?: string;
}

interface Model {
  readonly config: ModelConfig;
  readonly labels: ReadonlyMap<string, readonly string[]>;
  readonly versions: ReadonlyMap<string, Version>;
  /** Why nothing of it can be served. */
  failure?: string;
}

const NAME = /^[\w][\w.@+-]{0,199}$/;
const VERSION = /^[1-9]\d{0,8}$/;
const MODELS_MAX = 20_000;
const CONFIG_BYTES_MAX = 1024 * 1024;
const LABELS_MAX = 100_000;

/**
 * The models of a folder laid out as Triton's model repository is, of any tensors. They are loaded with the first
 * request, share the memory of all models, and are served beside the endpoints; under a name that both have, the
 * folder's model answers to the Open Inference Protocol.
 */
export class ModelRepository {
  readonly #options: RepositoryOptions;
  readonly #models = new Map<string, Model>();
  readonly #unloaded = new Set<string>();

  constructor(options: RepositoryOptions) {
    this.#options = options;
  }

  /** Finds the models of the folder. One that cannot be read is listed with its reason. */
  async scan(): Promise<void> {
    const { folder, uploads } = this.#options;
    await rm(uploads, { recursive: true, force: true });
    if (folder === undefined) return;
    const names = (await readdir(folder, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory() && NAME.test(entry.name))
      .map(({ name }) => name)
      .sort();
    if (names.length > MODELS_MAX) throw new Error(`${folder} has more than ${MODELS_MAX} models`);
    for (const name of names) this.#models.set(name, await this.#read(name));
    this.#pin();
    // One that cannot be loaded is listed with the reason, and must not keep the gateway from its other models.
    const pinned = [...this.#models].filter(([, { config }]) => config.pinned);
    await Promise.all(
      pinned.flatMap(([name, { versions }]) =>
        [...versions.keys()].map((version) => this.version(name, version).catch(() => undefined)),
      ),
    );
  }

  #pin(): void {
    const served = [...this.#models].filter(([name, { config }]) => config.pinned && !this.#unloaded.has(name));
    this.#options.cache.pin(
      'repository',
      served.flatMap(([, { versions }]) => [...versions.values()].map(({ file }) => file)),
    );
  }

  has(name: string): boolean {
    return this.#models.has(name);
  }

  /** The versions that are served, oldest first. */
  versions(name: string): readonly string[] {
    return [...(this.#models.get(name)?.versions.keys() ?? [])];
  }

  /**
   * A version, the latest unless told, with its model in memory. Throws `gateway/unknown-model`, or
   * `gateway/model-unavailable` when it cannot be loaded.
   */
  async version(name: string, version?: string): Promise<RepositoryVersion> {
    const model = this.#models.get(name);
    if (!model) throw gatewayErrors['unknown-model'](`there is no model '${name.slice(0, 100)}'`);
    if (this.#unloaded.has(name)) throw gatewayErrors['not-loaded'](`model '${name}' was unloaded`);
    if (model.failure) throw gatewayErrors['model-unavailable'](`model '${name}': ${model.failure}`);
    const key = version ?? [...model.versions.keys()].at(-1) ?? '';
    const found = model.versions.get(key);
    if (!found) throw gatewayErrors['unknown-model'](`there is no version '${key.slice(0, 20)}' of a model '${name}'`);
    try {
      await this.#options.cache.loadTensors(found.file);
      found.served ??= this.#describe(name, key, { model, file: found.file });
      delete found.failure;
      return found.served;
    } catch (error) {
      found.failure = messageOf(error);
      throw error;
    }
  }

  /** A model of the folder, `name` or `name@version`, as a graph names it. */
  #part(text: string): { readonly revision: string; readonly file: TensorFile } {
    const at = text.lastIndexOf('@');
    const whole = this.#models.has(text) || at < 0;
    const [name, told] = whole ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
    const versions = this.#models.get(name)?.versions;
    const version = told ?? [...(versions?.keys() ?? [])].at(-1) ?? '';
    const found = versions?.get(version);
    if (!found) throw new Error(`there is no model '${text.slice(0, 100)}' in the folder`);
    return { revision: `${name}@${version}`, file: found.file };
  }

  /** `memory` tells of each version what it takes there. */
  index({ memory = false }: { readonly memory?: boolean } = {}): IndexEntry[] {
    const { cache } = this.#options;
    return [...this.#models].flatMap(([name, { versions, failure }]) => {
      const reason = this.#unloaded.has(name) ? 'unloaded' : failure;
      const entries = [...versions].map(([version, { file, failure: own }]): IndexEntry => {
        const why = reason ?? own;
        const loaded = memory ? { memory_bytes: cache.bytesOf(file) ?? null, pinned: cache.isPinned(file) } : {};
        return { name, version, state: why === undefined ? 'READY' : 'UNAVAILABLE', reason: why ?? '', ...loaded };
      });
      if (entries.length > 0) return entries;
      const none = reason ?? 'it has no version';
      const nothing = memory ? { memory_bytes: null, pinned: false } : {};
      return [{ name, version: '', state: 'UNAVAILABLE' as const, reason: none, ...nothing }];
    });
  }

  /** Reads a model anew and loads its versions. Throws when that fails; what was served before is served on. */
  async load(name: string, parameters: LoadParameters): Promise<void> {
    this.#mayControl();
    const model = await this.#read(name, parameters);
    if (model.failure) throw gatewayErrors['load-failed'](`model '${name}' cannot be loaded: ${model.failure}`);
    const former = this.#models.get(name);
    for (const [version, { file }] of model.versions) {
      try {
        await this.#options.cache.unloadTensors(file);
        await this.#options.cache.loadTensors(file);
        (model.versions.get(version) as Version).served = this.#describe(name, version, { model, file });
      } catch (error) {
        throw gatewayErrors['load-failed'](`model '${name}' cannot be loaded: ${messageOf(error)}`);
      }
    }
    this.#models.set(name, model);
    this.#unloaded.delete(name);
    this.#pin();
    await this.#leave(former, model);
  }

  /** Takes a model out of service. Throws `gateway/unknown-model`. */
  async unload(name: string): Promise<void> {
    this.#mayControl();
    const model = this.#models.get(name);
    if (!model) throw gatewayErrors['unknown-model'](`there is no model '${name.slice(0, 100)}'`);
    this.#unloaded.add(name);
    this.#pin();
    await this.#leave(model, undefined);
  }

  #mayControl(): void {
    if (this.#options.control) return;
    throw gatewayErrors['not-allowed']('models are loaded and unloaded here only with KEDGE_MODEL_CONTROL=true');
  }

  /** Frees what nobody serves any more. */
  async #leave(former: Model | undefined, now: Model | undefined): Promise<void> {
    const kept = new Set([...(now?.versions.values() ?? [])].map(({ file }) => file.key));
    for (const { file } of former?.versions.values() ?? []) {
      if (!kept.has(file.key)) await this.#options.cache.unloadTensors(file);
    }
  }

  #describe(
    name: string,
    version: string,
    { model, file }: { readonly model: Model; readonly file: TensorFile },
  ): RepositoryVersion {
    const runtime = this.#options.cache.readyTensors(file);
    if (!runtime) throw gatewayErrors['model-unavailable'](`model '${name}' left memory; try again`);
    const { inputs, outputs } = runtime;
    const rowsMax = batchOf(runtime, this.#options.rowsMax);
    const { maxBatchSize = rowsMax } = model.config;
    if (maxBatchSize > 0 && rowsMax === 0) {
      const why = 'max_batch_size is over 0, but the first dimension of its tensors is not of any size';
      throw gatewayErrors['model-unavailable'](`model '${name}': ${why}`);
    }
    const batching = declaredBatching(name, model.config, maxBatchSize);
    return { model: name, version, file, inputs, outputs, maxBatchSize, batching, labels: model.labels };
  }

  async #read(name: string, { config: given, files }: LoadParameters = { files: new Map() }): Promise<Model> {
    const nothing = { config: DEFAULT_CONFIG, labels: new Map(), versions: new Map() };
    const folder = this.#options.folder === undefined ? undefined : join(this.#options.folder, name);
    try {
      if (!NAME.test(name)) throw new Error('its name is none that a folder may have');
      const config = given === undefined ? await configIn(folder, name) : configOfJson(given, name);
      const versions =
        files.size > 0
          ? await this.#given(config, files)
          : await versionsIn(folder, { config, policy: config.versions, partOf: async (part) => this.#part(part) });
      if (versions.size === 0) throw new Error(`it has no version with a ${config.fileName}`);
      return { config, versions, labels: await labelsIn(folder, config) };
    } catch (error) {
      return { ...nothing, failure: messageOf(error).slice(0, 500) };
    }
  }

  async #given(config: ModelConfig, files: LoadParameters['files']): Promise<ReadonlyMap<string, Version>> {
    const { uploads } = this.#options;
    const versions: [string, Version][] = [];
    for (const [place, bytes] of files) {
      const [version = '', fileName, ...rest] = place.split('/');
      if (!VERSION.test(version) || fileName !== config.fileName || rest.length > 0) {
        throw invalidField(`file:${place.slice(0, 100)}`, `expected <version>/${config.fileName}`);
      }
      const key = digestOf(bytes);
      const path = join(uploads, `${key.slice('sha256:'.length)}.onnx`);
      await mkdir(uploads, { recursive: true });
      await writeFile(path, bytes);
      versions.push([version, { file: { key, at: { path }, partOf: async (part) => this.#part(part) } }]);
    }
    return new Map(versions.sort(([a], [b]) => Number(a) - Number(b)));
  }
}

/** Throws `gateway/model-unavailable` where the batch of the model does not fit what is declared. */
function declaredBatching(name: string, config: ModelConfig, maxBatchSize: number): BatchPolicy | undefined {
  try {
    return batchingOf(config, maxBatchSize);
  } catch (error) {
    throw gatewayErrors['model-unavailable'](`model '${name}': ${messageOf(error)}`);
  }
}

/** Rows of one run: those that the runtime sets or `rowsMax`; 0 where a first dimension is not of any size. */
export function batchOf(
  { inputs, outputs, maxBatchSize }: Pick<TensorRuntime, 'inputs' | 'outputs' | 'maxBatchSize'>,
  rowsMax: number,
): number {
  return [...inputs, ...outputs].every(({ shape }) => shape[0] === -1) ? (maxBatchSize ?? rowsMax) : 0;
}

async function configIn(folder: string | undefined, name: string): Promise<ModelConfig> {
  if (folder === undefined) return DEFAULT_CONFIG;
  const path = join(folder, 'config.pbtxt');
  const found = await stat(path).catch(() => undefined);
  if (!found) return DEFAULT_CONFIG;
  if (found.size > CONFIG_BYTES_MAX) throw new Error(`config.pbtxt is larger than ${CONFIG_BYTES_MAX} bytes`);
  try {
    return configOfText(await readFile(path, 'utf8'), name);
  } catch (error) {
    throw new Error(`config.pbtxt: ${messageOf(error)}`);
  }
}

async function versionsIn(
  folder: string | undefined,
  {
    config,
    policy,
    partOf,
  }: { readonly config: ModelConfig; readonly policy: VersionPolicy; readonly partOf: PartFinder },
): Promise<ReadonlyMap<string, Version>> {
  const entries = folder === undefined ? [] : await readdir(folder).catch(() => []);
  const numbers = entries.filter((name) => VERSION.test(name)).sort((a, b) => Number(a) - Number(b));
  const found: [string, Version][] = [];
  for (const version of numbers) {
    if (policy.kind === 'specific' && !policy.versions.includes(version)) continue;
    for (const name of new Set([config.fileName, DECLARATION_FILE])) {
      const path = join(folder ?? '', version, name);
      const file = await stat(path).catch(() => undefined);
      if (!file?.isFile()) continue;
      found.push([version, { file: { key: keyOf(path, file), at: { path }, partOf } }]);
      break;
    }
  }
  return new Map(policy.kind === 'latest' ? found.slice(-policy.count) : found);
}

/** A file that was written anew is another model; reading all of it to know would take as long as loading it. */
function keyOf(path: string, { mtimeMs, size }: { readonly mtimeMs: number; readonly size: number }): string {
  return digestOf(`${path}\n${mtimeMs}\n${size}`);
}

async function labelsIn(
  folder: string | undefined,
  { labelFiles }: ModelConfig,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const labels: [string, readonly string[]][] = [];
  for (const [output, file] of folder === undefined ? [] : labelFiles) {
    const lines = (await readFile(join(folder ?? '', file), 'utf8')).split(/\r?\n/);
    if (lines.length > LABELS_MAX) throw new Error(`${file} has more than ${LABELS_MAX} labels`);
    labels.push([output, lines]);
  }
  return new Map(labels);
}
