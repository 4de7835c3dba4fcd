import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { GatewayParts } from '../gateway-parts.ts';
import { infer } from '../open-inference/infer.ts';
import { type Asker, callOf, type InferMessage, meant, messageOf } from './infer-message.ts';

export interface StreamContext extends Asker {
  /** The text of an error about a model. */
  readonly wordsOf: (error: unknown, model: string) => string;
}

/** Requests of one stream that may be in work; past it the stream is not read on. */
const STREAM_WINDOW = 64;

/**
 * `ModelStreamInfer`: answers the requests of a stream in their order. They are worked on together, so that they join
 * the batches of all others. One that fails is answered with its error, and the stream goes on.
 */
export function streamInfer(
  parts: GatewayParts,
  call: ServerDuplexStream<InferMessage, object>,
  context: StreamContext,
): void {
  let inWork = 0;
  let last = Promise.resolve();
  let ended = false;
  call.on('data', (message: InferMessage) => {
    inWork += 1;
    if (inWork >= STREAM_WINDOW) call.pause();
    const answer = answered(parts, message, context);
    last = last.then(async () => {
      const reply = await answer;
      inWork -= 1;
      if (inWork < STREAM_WINDOW) call.resume();
      if (!ended && !call.cancelled) await written(call, reply);
    });
  });
  call.on('end', () => {
    void last.then(() => call.end());
  });
  const stop = (): void => {
    ended = true;
  };
  call.on('cancelled', stop);
  call.on('error', stop);
  call.on('close', stop);
}

const GONE = ['drain', 'close', 'error', 'cancelled'] as const;

/** Waits for a client that reads slowly, so that answers do not pile up; one that leaves is waited for no longer. */
async function written(call: ServerDuplexStream<InferMessage, object>, reply: object): Promise<void> {
  if (call.write(reply)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const go = (): void => resolve();
  for (const event of GONE) call.on(event, go);
  await promise;
  for (const event of GONE) call.off(event, go);
}

async function answered(
  parts: GatewayParts,
  message: InferMessage,
  { wordsOf, ...asker }: StreamContext,
): Promise<object> {
  const final = message.parameters['triton_enable_empty_final_response']?.bool_param === true;
  try {
    const { triton_enable_empty_final_response: _, ...parameters } = message.parameters;
    const result = messageOf(await infer(parts, meant(parts, callOf({ ...message, parameters }), asker))) as {
      parameters: object;
    };
    const marked = final ? { ...result.parameters, triton_final_response: { bool_param: true } } : result.parameters;
    return { infer_response: { ...result, parameters: marked } };
  } catch (error) {
    return {
      error_message: wordsOf(error, message.model_name),
      infer_response: { id: message.id, model_name: message.model_name },
    };
  }
}
