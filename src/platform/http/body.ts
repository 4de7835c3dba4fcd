import { httpErrors } from './problem.ts';

/** The bytes of a body that was left on the wire. Throws `http/too-large` once they are more than `bytesMax`. */
export async function* boundedBytes(body: unknown, bytesMax: number): AsyncIterable<Uint8Array> {
  let total = 0;
  for await (const chunk of bytesOf(body)) {
    total += chunk.byteLength;
    if (total > bytesMax) throw httpErrors['too-large'](`the body is larger than ${bytesMax} bytes`);
    yield chunk;
  }
}

async function* bytesOf(body: unknown): AsyncIterable<Uint8Array> {
  if (body !== null && typeof body === 'object' && Symbol.asyncIterator in body) {
    yield* body as AsyncIterable<Uint8Array>;
  }
}
