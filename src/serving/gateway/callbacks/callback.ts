import { z } from 'zod';

/** What is kept of an answer that is sent to an address, from the request on until it is forgotten. */
export const callbackSchema = z.object({
  /** Of the answer, and of each message about it. */
  id: z.string(),
  url: z.string(),
  model: z.string(),
  acceptedAt: z.number(),
  /** `working`: there is no answer yet. `waiting`: it is still to be taken by the receiver. */
  status: z.enum(['working', 'waiting', 'delivered', 'failed']),
  dueAt: z.number(),
  /** One for each time it was sent, with what the receiver said or why it could not be reached. */
  attempts: z.array(z.object({ at: z.number(), answer: z.string() })),
});

export type Callback = z.infer<typeof callbackSchema>;

/** As it lies in its file: the message is there while it is still to be sent. */
export const callbackFileSchema = callbackSchema.extend({ message: z.string().optional() });

export type CallbackOutcome =
  | { readonly status: 200; readonly answer: { readonly body: Buffer; readonly jsonBytes: number | undefined } }
  | { readonly status: number; readonly error: string };

/** A larger answer, and one with binary tensors, is left to be fetched. */
export const ANSWER_BYTES_MAX = 256 * 1024;

/** The body of a message: the answer as the protocol has it, or where it is; or what it failed with. */
export function messageOf({ id, model }: Pick<Callback, 'id' | 'model'>, outcome: CallbackOutcome): string {
  const about = { id, model, status: outcome.status, result: `/v2/results/${id}` };
  if (!('answer' in outcome)) return JSON.stringify({ ...about, error: outcome.error });
  const { body, jsonBytes } = outcome.answer;
  const fits = jsonBytes === undefined && body.length <= ANSWER_BYTES_MAX;
  return `${JSON.stringify(about).slice(0, -1)},"answer":${fits ? body.toString('utf8') : 'null'}}`;
}
