import { JSON_HEADERS } from '../http-io.ts';
import type { HttpResponse } from '../http-message.ts';
import { acceptedCoding, deflated } from './compression.ts';
import { bytesOf, type InferAnswer, type WrittenAnswer } from './write-infer.ts';

/** Answers with what was inferred, in this turn where nothing is to be compressed. */
export function sendInfer(
  response: HttpResponse,
  answer: InferAnswer,
  accepted: string | undefined,
): Promise<void> | void {
  const { json, raws } = answer;
  if (raws.length > 0 || acceptedCoding(accepted, json.length)) return sendWritten(response, bytesOf(answer), accepted);
  response.send(200, JSON_HEADERS, json);
}

export async function sendWritten(
  response: HttpResponse,
  answer: WrittenAnswer,
  accepted: string | undefined,
): Promise<void> {
  const { jsonBytes } = answer;
  const coding = acceptedCoding(accepted, answer.body.length);
  const body = coding ? await deflated(answer.body, coding) : answer.body;
  response.send(
    200,
    [
      ...['Content-Type', jsonBytes === undefined ? 'application/json' : 'application/octet-stream'],
      ...(jsonBytes === undefined ? [] : ['Inference-Header-Content-Length', String(jsonBytes)]),
      ...(coding ? ['Content-Encoding', coding, 'Vary', 'Accept-Encoding'] : []),
    ],
    body,
  );
}
