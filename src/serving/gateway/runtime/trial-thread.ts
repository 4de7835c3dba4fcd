import { Worker } from 'node:worker_threads';
import type { ThreadModel } from './thread-protocol.ts';

export interface TrialRequest {
  readonly id: number;
  readonly model: ThreadModel;
}

export type TrialReply =
  | { readonly id: number; readonly rowMs: number }
  | { readonly id: number; readonly failed: string };

interface Waiting {
  readonly resolve: (rowMs: number) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Tries models out in a thread before they run on the event loop: how slow one is must not be found out at the cost of
 * those who wait. One thread for all of them, because to start one takes many times what a small model takes to load.
 */
export class TrialThread {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #ids = 0;

  /** The fastest time of one row in milliseconds. Rejects when the model cannot be loaded. */
  rowMs(model: ThreadModel): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#worker ??= this.#start();
    const id = ++this.#ids;
    this.#waiting.set(id, { resolve, reject });
    // While something is tried nothing else may keep the process running yet, as when a gateway starts.
    this.#worker.ref();
    const request: TrialRequest = { id, model };
    this.#worker.postMessage(request);
    return promise;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./trial-worker.ts', import.meta.url));
    worker.on('message', (reply: TrialReply) => this.#settle(worker, reply));
    worker.on('error', (error) => this.#end(worker, error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', (code) => this.#end(worker, new Error(`the trial thread ended with code ${code}`)));
    return worker;
  }

  #settle(worker: Worker, reply: TrialReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (this.#waiting.size === 0) worker.unref();
    if ('failed' in reply) waiting?.reject(new Error(reply.failed));
    else waiting?.resolve(reply.rowMs);
  }

  /** The next model is tried in a new thread. */
  #end(worker: Worker, reason: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
  }
}
