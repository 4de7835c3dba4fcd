import type { Clock } from '#core/clock';
import type { Tensor } from '../tensors/tensor.ts';
import { type LoadRequest, mayRunInline, memoryEstimate, THREAD_BYTES } from './load-model.ts';
import type { RuntimeChoice, TensorCall, TensorRuntime } from './model-runtime.ts';
import { TensorSession } from './tensor-session.ts';
import { TensorThreadRuntime } from './thread-runtime.ts';
import { warmUpTensors } from './warm-up.ts';

export interface TensorLoadRequest {
  readonly path: string;
  readonly fileBytes: number;
  readonly choice: RuntimeChoice;
  readonly clock: Clock;
  readonly trial: LoadRequest['trial'];
}

/** Loads a model of any tensors and warms it: on the event loop if a call takes little time, otherwise in a thread. */
export async function loadTensors(request: TensorLoadRequest): Promise<TensorRuntime> {
  const { path, fileBytes, choice, clock } = request;
  if (choice !== 'inline' && !(await mayRunInline(request, { path, shape: 'tensors' }))) {
    return TensorThreadRuntime.start(path, memoryEstimate(fileBytes) + THREAD_BYTES);
  }
  const session = new TensorSession(path);
  return new InlineTensors(session, warmUpTensors(session, clock), memoryEstimate(fileBytes));
}

class InlineTensors implements TensorRuntime {
  readonly kind = 'inline';
  readonly usable = true;
  readonly concurrency = 1;
  readonly rowMs: number;
  readonly memoryBytes: number;
  readonly #session: TensorSession;

  constructor(session: TensorSession, rowMs: number, memoryBytes: number) {
    this.#session = session;
    this.rowMs = rowMs;
    this.memoryBytes = memoryBytes;
  }

  get inputs(): TensorSession['inputs'] {
    return this.#session.inputs;
  }

  get outputs(): TensorSession['outputs'] {
    return this.#session.outputs;
  }

  run(call: TensorCall): Tensor[] {
    return this.#session.run(call);
  }

  async unload(): Promise<void> {
    this.#session.dispose();
  }
}
