import { systemClock } from '#core/clock';
import type { Tensor } from '../tensors/tensor.ts';
import type { Batch, TensorCall } from './model-runtime.ts';
import { OnnxSession } from './onnx-session.ts';
import { TensorSession } from './tensor-session.ts';
import type { ThreadModel, ThreadWarm } from './thread-protocol.ts';
import { warmUp, warmUpTensors } from './warm-up.ts';

/** A warm model in a thread. */
export interface Held {
  readonly warm: ThreadWarm;
  run(work: Batch | TensorCall): Float32Array | Tensor[];
  dispose(): void;
}

/** Loads a model and warms it, holding up whoever calls. Throws when the file is no such model. */
export function holdModel({ path, shape }: ThreadModel): Held {
  if (shape === 'tensors') {
    const session = new TensorSession(path);
    const { inputs, outputs } = session;
    return {
      warm: { rowMs: warmUpTensors(session, systemClock), inputs, outputs },
      run: (work) => session.run(work as TensorCall),
      dispose: () => session.dispose(),
    };
  }
  const session = new OnnxSession(path, shape);
  const rowMs = warmUp((batch) => session.run(batch), shape, systemClock);
  return {
    warm: { rowMs, inputs: [], outputs: [] },
    run: (work) => session.run(work as Batch),
    dispose: () => session.dispose(),
  };
}
