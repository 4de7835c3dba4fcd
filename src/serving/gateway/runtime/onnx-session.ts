import { env, Tensor } from 'onnxruntime-node';
import { binding, initOrt } from 'onnxruntime-node/dist/binding.js';
import type { Batch, ModelShape } from './model-runtime.ts';

// A model that fails throws, and the gateway reports it once; the runtime would print each failure as well.
env.logLevel = 'fatal';

type NativeSession = InstanceType<typeof binding.InferenceSession>;

/**
 * One ONNX model: `features` float32 [N, F] and `categories` string [N, C] in, `probability` or `value` [N, 1] out.
 *
 * The runtime's public `session.run` defers each call to the next turn of the event loop and copies its arguments. The
 * binding below it is synchronous, which is what a batch of one turn wants: a lone request waits one turn less.
 */
export class OnnxSession {
  readonly #session: NativeSession;
  readonly #shape: ModelShape;
  readonly #fetches: Record<string, null>;

  /** Throws when the file is no model, or not one of this shape. */
  constructor(path: string, shape: ModelShape) {
    initOrt();
    this.#shape = shape;
    this.#fetches = { [shape.output]: null };
    this.#session = new binding.InferenceSession();
    // One thread: a row of a tabular model is too little work to share, and the other cores belong to other processes.
    this.#session.loadModel(path, {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      logSeverityLevel: 4,
    });
    const inputs = this.#session.inputMetadata.map(({ name }) => name).sort();
    const expected = [...(shape.categories > 0 ? ['categories'] : []), ...(shape.numeric > 0 ? ['features'] : [])];
    const outputs = this.#session.outputMetadata.map(({ name }) => name);
    if (inputs.join() === expected.join() && outputs.includes(shape.output)) return;
    this.#session.dispose();
    throw new Error(
      `the model takes ${inputs.join(', ')} and answers ${outputs.join(', ')}; ` +
        `its signature says ${expected.join(', ')} and ${shape.output}`,
    );
  }

  run(batch: Batch): Float32Array {
    const { numeric, categories } = this.#shape;
    const feeds: Record<string, Tensor> = {};
    if (numeric > 0) feeds['features'] = new Tensor('float32', batch.numeric, [batch.rows, numeric]);
    if (categories > 0) {
      feeds['categories'] = new Tensor('string', batch.categories as string[], [batch.rows, categories]);
    }
    const scores = this.#session.run(feeds, this.#fetches, {})[this.#shape.output] as Tensor;
    const data = scores.data;
    if (data instanceof Float32Array && data.length === batch.rows) return data;
    throw new Error(`the model answered ${data.length} values of ${scores.type} for ${batch.rows} rows`);
  }

  dispose(): void {
    this.#session.dispose();
  }
}
