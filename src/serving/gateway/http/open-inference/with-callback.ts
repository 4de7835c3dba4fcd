import { gatewayErrors } from '../../errors.ts';
import type { GatewayParts } from '../../gateway-parts.ts';
import { expected, sendJson } from '../http-io.ts';
import type { HttpResponse } from '../http-message.ts';
import type { WrittenAnswer } from './write-infer.ts';

/**
 * Takes up a request whose answer goes to an address, and tells the answer's id. Throws `gateway/not-allowed` where no
 * answers are sent, `notify/invalid-target`, and `gateway/busy`.
 */
export async function startWithCallback(
  { callbacks, results, dialect, onError }: GatewayParts,
  work: { readonly url: string; readonly model: string; readonly answer: () => Promise<WrittenAnswer> },
): Promise<string> {
  if (!callbacks) {
    throw gatewayErrors['not-allowed'](
      'x-kedge-callback: answers are sent nowhere unless KEDGE_CALLBACK_SECRET is set',
    );
  }
  const { url, model } = work;
  await callbacks.check(url);
  const id = results.nextId();
  await callbacks.accept({ id, url, model });
  const settled = async (): Promise<WrittenAnswer> => {
    try {
      const answer = await work.answer();
      callbacks.settle(id, { status: 200, answer });
      return answer;
    } catch (error) {
      onError(error, model);
      const known = expected(error);
      callbacks.settle(id, { status: known.status, error: dialect.text(known, model) });
      throw error;
    }
  };
  try {
    return results.start(settled, id);
  } catch (error) {
    await callbacks.drop(id);
    throw error;
  }
}

/** How far the answer of this id came on its way to its address, from whichever process sends it. */
export function tellCallback(
  { callbacks, siblings }: GatewayParts,
  id: string,
  response: HttpResponse,
  fail: (error: unknown) => void,
): void {
  const found = siblings
    ? siblings.ask({ ask: 'callback', id }).then((all) => all.find((one) => one !== null))
    : Promise.resolve(callbacks?.find(id));
  found
    .then((callback) => {
      if (!callback) throw gatewayErrors['not-found'](`no answer '${id.slice(0, 100)}' goes to an address`);
      const { url, status, attempts } = callback;
      const told = attempts.map(({ at, answer }) => ({ at: new Date(at).toISOString(), answer }));
      sendJson(response, 200, JSON.stringify({ id, url, status, attempts: told }));
    })
    .catch(fail);
}
