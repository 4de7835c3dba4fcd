import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#core/assert';
import { messageOf } from '#core/errors';
import { type Held, holdModel } from './hold-model.ts';
import type { ThreadModel, ThreadReply, ThreadRequest } from './thread-protocol.ts';

/** The other side of a thread runtime: holds one model and scores one batch after the other. */
function serve(model: ThreadModel): void {
  assert(parentPort, 'a model thread is started as a worker');
  const port = parentPort;
  const reply = (message: ThreadReply): void => port.postMessage(message);
  let held: Held;
  try {
    held = holdModel(model);
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

serve(workerData as ThreadModel);
