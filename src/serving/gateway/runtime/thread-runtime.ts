import { Worker } from 'node:worker_threads';
import type { Batch, ModelRuntime } from './model-runtime.ts';
import type { ThreadModel, ThreadReply, ThreadRequest } from './thread-protocol.ts';

interface Waiting {
  readonly resolve: (scores: Float32Array) => void;
  readonly reject: (error: Error) => void;
}

/** A model in a thread of its own: a slow one there does not hold up the requests of the others. */
export class ThreadRuntime implements ModelRuntime {
  readonly kind = 'thread';
  readonly memoryBytes: number;
  readonly rowMs: number;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  #ended: Error | undefined;

  /** Starts the thread and resolves when the model is warm. Rejects when it cannot be loaded. */
  static async start(model: ThreadModel, memoryBytes: number): Promise<ThreadRuntime> {
    const worker = new Worker(new URL('./model-thread.ts', import.meta.url), { workerData: model });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    worker.once('message', (reply: ThreadReply) => {
      if ('warm' in reply) resolve(reply.warm);
      else reject(new Error('failed' in reply ? reply.failed : 'the model thread answered before it was asked'));
    });
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the model thread ended with code ${code}`)));
    try {
      const rowMs = await promise;
      return new ThreadRuntime(worker, rowMs, memoryBytes);
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  }

  private constructor(worker: Worker, rowMs: number, memoryBytes: number) {
    this.#worker = worker;
    this.rowMs = rowMs;
    this.memoryBytes = memoryBytes;
    worker.on('message', (reply: ThreadReply) => this.#settle(reply));
    worker.on('error', (error) => this.#end(error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', (code) => this.#end(new Error(`the model thread ended with code ${code}`)));
    worker.unref();
  }

  get usable(): boolean {
    return this.#ended === undefined;
  }

  infer(batch: Batch): Promise<Float32Array> {
    if (this.#ended) return Promise.reject(this.#ended);
    const { promise, resolve, reject } = Promise.withResolvers<Float32Array>();
    const id = this.#nextId++;
    this.#waiting.set(id, { resolve, reject });
    const request: ThreadRequest = { id, batch };
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
    if ('scores' in reply) waiting?.resolve(reply.scores);
    else waiting?.reject(new Error(reply.error));
  }

  #end(reason: Error): void {
    this.#ended ??= reason;
    for (const waiting of this.#waiting.values()) waiting.reject(reason);
    this.#waiting.clear();
  }
}
