import type { GatewayParts } from '../gateway-parts.ts';
import { infer } from '../open-inference/infer.ts';
import type { OnGone } from '../prediction.ts';
import type { MessageSink, RpcCall } from './http2/rpc-call.ts';
import { STATUS } from './http2/status.ts';
import { type Asker, callOf, type InferMessage, meant, messageOf } from './infer-message.ts';
import { statusOf, watchCall } from './unary.ts';

export interface StreamContext {
  /** Rejects for a caller who is not let in. */
  readonly asker: Promise<Asker>;
  /** The text of an error about a model. */
  readonly wordsOf: (error: unknown, model: string) => string;
}

/** Requests of one stream that may be in work; past it the stream is not read on. */
const STREAM_WINDOW = 64;

/**
 * `ModelStreamInfer`: answers the requests of a stream in their order. They are worked on together, so that they join
 * the batches of all others. One that fails is answered with its error, and the stream goes on.
 */
export function streamInfer(parts: GatewayParts, call: RpcCall, context: StreamContext): MessageSink {
  let inWork = 0;
  /** Of the requests in work: what is to be done when the client leaves. */
  const leaving = new Set<() => void>();
  call.onGone(() => {
    for (const leave of leaving) leave();
  });
  let last: Promise<void> = context.asker.then(
    () => undefined,
    (error) => call.refuse(error),
  );
  return {
    message(message) {
      inWork += 1;
      if (inWork >= STREAM_WINDOW) call.pause();
      const watched = watchCall(parts, call);
      let leave: (() => void) | undefined;
      const onGone: OnGone = (listener) => {
        leave = listener;
        if (call.isOver) listener();
        else leaving.add(listener);
      };
      const answer = answered(parts, message as InferMessage, { ...context, watched, onGone });
      last = last.then(async () => {
        const reply = await answer;
        if (leave) leaving.delete(leave);
        inWork -= 1;
        if (inWork < STREAM_WINDOW) call.resume();
        // Waits for a client that reads slowly, so that answers do not pile up.
        if (!call.send(reply)) await call.drained();
      });
    },
    ended() {
      void last.then(() => call.end());
    },
  };
}

async function answered(
  parts: GatewayParts,
  message: InferMessage,
  { asker: entering, wordsOf, watched, onGone }: StreamContext & Pick<Asker, 'watched' | 'onGone'>,
): Promise<object> {
  const final = message.parameters['triton_enable_empty_final_response']?.bool_param === true;
  try {
    const { triton_enable_empty_final_response: _, ...parameters } = message.parameters;
    const asker = { ...(await entering), watched, onGone };
    const result = messageOf(await infer(parts, meant(parts, callOf({ ...message, parameters }), asker))) as {
      parameters: object;
    };
    watched?.end({ status: STATUS.OK });
    const marked = final ? { ...result.parameters, triton_final_response: { bool_param: true } } : result.parameters;
    return { infer_response: { ...result, parameters: marked } };
  } catch (error) {
    watched?.end({ status: statusOf(error) });
    return {
      error_message: wordsOf(error, message.model_name),
      infer_response: { id: message.id, model_name: message.model_name },
    };
  }
}
