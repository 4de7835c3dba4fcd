import type { Arm, TensorVersion } from '../../routing.ts';
import { gatewayErrors } from '../errors.ts';
import { liveArm, tensorFile } from '../live-endpoint.ts';
import type { ModelCache } from '../runtime/model-cache.ts';
import type { TensorFile } from '../runtime/model-runtime.ts';
import { batchOf, type RepositoryVersion } from './model-repository.ts';

export interface RegisteredTensorsOptions {
  readonly cache: ModelCache;
  /** Rows of a run. */
  readonly rowsMax: number;
}

/** Versions that stay known, so that calling one directly asks the control plane once. */
const KNOWN_MAX = 200;

interface Known {
  readonly model: string;
  readonly version: number;
  readonly file: TensorFile;
}

/** Registered versions of any tensors, served as the models of the folder are. What they take is in their file. */
export class RegisteredTensors {
  readonly #options: RegisteredTensorsOptions;
  readonly #known = new Map<string, Known>();

  constructor(options: RegisteredTensorsOptions) {
    this.#options = options;
  }

  remember(known: TensorVersion | Arm): void {
    const { revision, model, version } = known;
    const file =
      'signature' in known ? liveArm(known).tensors?.file : tensorFile(known.tensors.digest, known.tensors.beside);
    if (!file) return;
    this.#known.set(revision, { model, version, file });
    const oldest = this.#known.keys().next().value;
    if (this.#known.size > KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest);
  }

  /** The version with its model in memory, if it is known. Throws `gateway/model-unavailable`. */
  async find(revision: string): Promise<RepositoryVersion | undefined> {
    const known = this.#known.get(revision);
    if (!known) return undefined;
    const { cache, rowsMax } = this.#options;
    const { model, version, file } = known;
    await cache.loadTensors(file);
    const runtime = cache.readyTensors(file);
    if (!runtime) throw gatewayErrors['model-unavailable'](`${revision} left memory; try again`);
    const { inputs, outputs } = runtime;
    const maxBatchSize = batchOf(runtime, rowsMax);
    return { model, version: String(version), file, inputs, outputs, maxBatchSize, labels: new Map() };
  }
}
