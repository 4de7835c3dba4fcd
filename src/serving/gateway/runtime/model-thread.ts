import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#core/assert';
import { systemClock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Tensor } from '../tensors/tensor.ts';
import type { Batch, TensorCall } from './model-runtime.ts';
import { OnnxSession } from './onnx-session.ts';
import { TensorSession } from './tensor-session.ts';
import type { ThreadModel, ThreadReply, ThreadRequest, ThreadWarm } from './thread-protocol.ts';
import { warmUp, warmUpTensors } from './warm-up.ts';

interface Held {
  readonly warm: ThreadWarm;
  run(work: Batch | TensorCall): Float32Array | Tensor[];
  dispose(): void;
}

/** The other side of a thread runtime: holds one model and scores one batch after the other. */
function serve(model: ThreadModel): void {
  assert(parentPort, 'a model thread is started as a worker');
  const port = parentPort;
  const reply = (message: ThreadReply): void => port.postMessage(message);
  let held: Held;
  try {
    held = open(model);
    reply({ warm: held.warm });
  } catch (error) {
    reply({ failed: messageOf(error) });
    return;
  }
  port.on('message', (request: ThreadRequest) => {
    if (request === null) {
      held.dispose();
      port.close();
      return;
    }
    try {
      reply({ id: request.id, result: held.run(request.work) });
    } catch (error) {
      reply({ id: request.id, error: messageOf(error) });
    }
  });
}

function open({ path, shape }: ThreadModel): Held {
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

serve(workerData as ThreadModel);
