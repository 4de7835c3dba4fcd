import { Worker } from 'node:worker_threads';
import type { Tensor, TensorSpec } from '../tensors/tensor.ts';
import type { Batch, ModelRuntime, TensorCall, TensorRuntime } from './model-runtime.ts';
import type { ThreadModel, ThreadReply, ThreadRequest, ThreadWarm } from './thread-protocol.ts';

interface Waiting {
  readonly resolve: (result: Float32Array | Tensor[]) => void;
  readonly reject: (error: Error) => void;
}

/** A model in a thread of its own: a slow one there does not hold up the requests of the others. */
class ModelThread {
  readonly warm: ThreadWarm;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  #ended: Error | undefined;

  /** Starts the thread and resolves when the model is warm. Rejects when it cannot be loaded. */
  static async start(model: ThreadModel): Promise<ModelThread> {
    const worker = new Worker(new URL('./model-thread.ts', import.meta.url), { workerData: model });
    const { promise, resolve, reject } = Promise.withResolvers<ThreadWarm>();
    worker.once('message', (reply: ThreadReply) => {
      if ('warm' in reply) resolve(reply.warm);
      else reject(new Error('failed' in reply ? reply.failed : 'the model thread answered before it was asked'));
    });
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the model thread ended with code ${code}`)));
    try {
      return new ModelThread(worker, await promise);
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  }

  private constructor(worker: Worker, warm: ThreadWarm) {
    this.#worker = worker;
    this.warm = warm;
    worker.on('message', (reply: ThreadReply) => this.#settle(reply));
    worker.on('error', (error) => this.#end(error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', (code) => this.#end(new Error(`the model thread ended with code ${code}`)));
    worker.unref();
  }

  get usable(): boolean {
    return this.#ended === undefined;
  }

  ask(work: Batch | TensorCall): Promise<Float32Array | Tensor[]> {
    if (this.#ended) return Promise.reject(this.#ended);
    const { promise, resolve, reject } = Promise.withResolvers<Float32Array | Tensor[]>();
    const id = this.#nextId++;
    this.#waiting.set(id, { resolve, reject });
    const request: ThreadRequest = { id, work };
    this.#worker.postMessage(request);
    return promise;
  }

  async unload(): Promise<void> {
    if (this.#ended) return;
    const ended = new Promise((resolve) => this.#worker.once('exit', resolve));
    // Nothing else may keep the process running yet, as when a gateway that starts tries its models.
    this.#worker.ref();
    const last: ThreadRequest = null;
    this.#worker.postMessage(last);
    await ended;
  }

  #settle(reply: ThreadReply): void {
    if (!('id' in reply)) return;
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ('result' in reply) waiting?.resolve(reply.result);
    else waiting?.reject(new Error(reply.error));
  }

  #end(reason: Error): void {
    this.#ended ??= reason;
    for (const waiting of this.#waiting.values()) waiting.reject(reason);
    this.#waiting.clear();
  }
}

/** What both kinds of models in a thread have. */
abstract class InThread {
  readonly kind = 'thread';
  readonly concurrency = 1;
  readonly memoryBytes: number;
  readonly rowMs: number;
  protected readonly thread: ModelThread;

  constructor(thread: ModelThread, memoryBytes: number) {
    this.thread = thread;
    this.memoryBytes = memoryBytes;
    this.rowMs = thread.warm.rowMs;
  }

  get usable(): boolean {
    return this.thread.usable;
  }

  unload(): Promise<void> {
    return this.thread.unload();
  }
}

export class ThreadRuntime extends InThread implements ModelRuntime {
  static async start(model: ThreadModel, memoryBytes: number): Promise<ThreadRuntime> {
    return new ThreadRuntime(await ModelThread.start(model), memoryBytes);
  }

  infer(batch: Batch): Promise<Float32Array> {
    return this.thread.ask(batch) as Promise<Float32Array>;
  }
}

export class TensorThreadRuntime extends InThread implements TensorRuntime {
  static async start(path: string, memoryBytes: number): Promise<TensorThreadRuntime> {
    return new TensorThreadRuntime(await ModelThread.start({ path, shape: 'tensors' }), memoryBytes);
  }

  get inputs(): readonly TensorSpec[] {
    return this.thread.warm.inputs;
  }

  get outputs(): readonly TensorSpec[] {
    return this.thread.warm.outputs;
  }

  run(call: TensorCall): Promise<Tensor[]> {
    return this.thread.ask(call) as Promise<Tensor[]>;
  }
}
