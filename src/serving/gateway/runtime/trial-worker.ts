import { parentPort } from 'node:worker_threads';
import { assert } from '#core/assert';
import { messageOf } from '#core/errors';
import { holdModel } from './hold-model.ts';
import type { TrialReply, TrialRequest } from './trial-thread.ts';

/** The other side of a trial thread: tries one model after the other, and keeps none. */
assert(parentPort, 'a trial thread is started as a worker');
const port = parentPort;
port.on('message', ({ id, model }: TrialRequest) => {
  const reply = (message: TrialReply): void => port.postMessage(message);
  try {
    const held = holdModel(model);
    held.dispose();
    reply({ id, rowMs: held.warm.rowMs });
  } catch (error) {
    reply({ id, failed: messageOf(error) });
  }
});
