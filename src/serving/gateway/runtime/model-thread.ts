import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#core/assert';
import { systemClock } from '#core/clock';
import { messageOf } from '#core/errors';
import { OnnxSession } from './onnx-session.ts';
import type { ThreadModel, ThreadReply, ThreadRequest } from './thread-protocol.ts';
import { warmUp } from './warm-up.ts';

/** The other side of a thread runtime: holds one model and scores one batch after the other. */
function serve(model: ThreadModel): void {
  assert(parentPort, 'a model thread is started as a worker');
  const port = parentPort;
  const reply = (message: ThreadReply): void => port.postMessage(message);
  let session: OnnxSession;
  try {
    session = new OnnxSession(model.path, model.shape);
    const current = session;
    reply({ warm: warmUp((batch) => current.run(batch), model.shape, systemClock) });
  } catch (error) {
    reply({ failed: messageOf(error) });
    return;
  }
  port.on('message', (request: ThreadRequest) => {
    if (request === null) {
      session.dispose();
      port.close();
      return;
    }
    try {
      reply({ id: request.id, scores: session.run(request.batch) });
    } catch (error) {
      reply({ id: request.id, error: messageOf(error) });
    }
  });
}

serve(workerData as ThreadModel);
