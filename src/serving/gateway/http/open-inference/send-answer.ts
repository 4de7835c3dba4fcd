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
  const bytes = raws.reduce((sum, { length }) => sum + length, json.length);
  if (acceptedCoding(accepted, bytes)) return sendWritten(response, bytesOf(answer), accepted);
  if (raws.length === 0) {
    response.send(200, JSON_HEADERS, json);
  } else {
    const { body, jsonBytes } = bytesOf(answer);
    response.send(200, headersOf(jsonBytes), body);
  }
}

export async function sendWritten(
  response: HttpResponse,
  { body, jsonBytes }: WrittenAnswer,
  accepted: string | undefined,
): Promise<void> {
  const coding = acceptedCoding(accepted, body.length);
  const headers = headersOf(jsonBytes);
  if (!coding) response.send(200, headers, body);
  else
    response.send(
      200,
      [...headers, 'Content-Encoding', coding, 'Vary', 'Accept-Encoding'],
      await deflated(body, coding),
    );
}

/** What is said of the last answer with bytes, by which whoever writes answers knows their head again. */
let binaryHeaders = { jsonBytes: -1, headers: JSON_HEADERS };

function headersOf(jsonBytes: number | undefined): readonly string[] {
  if (jsonBytes === undefined) return JSON_HEADERS;
  if (binaryHeaders.jsonBytes !== jsonBytes) {
    const length = ['Inference-Header-Content-Length', String(jsonBytes)];
    binaryHeaders = { jsonBytes, headers: ['Content-Type', 'application/octet-stream', ...length] };
  }
  return binaryHeaders.headers;
}
