import { promisify } from 'node:util';
import { deflate, gunzip, gzip, inflate } from 'node:zlib';
import { gatewayErrors, invalidField } from '../../errors.ts';

const INFLATE = { gzip: promisify(gunzip), deflate: promisify(inflate) };
const DEFLATE = { gzip: promisify(gzip), deflate: promisify(deflate) };

type Coding = keyof typeof INFLATE;

/** Smaller answers travel as they are: compressing them costs more than their bytes. */
const COMPRESSED_FROM_BYTES = 1_024;

/**
 * The body without its content coding. Inflates at most `bytesMax`. Throws `gateway/too-large` past that,
 * `gateway/unsupported-encoding`, or `gateway/invalid-request` for bytes that are not of the coding.
 */
export async function inflated(body: Buffer, encoding: string | undefined, bytesMax: number): Promise<Buffer> {
  const coding = encoding?.trim().toLowerCase() ?? 'identity';
  if (coding === 'identity' || coding === '') return body;
  if (!isCoding(coding)) {
    throw gatewayErrors['unsupported-encoding'](`Content-Encoding '${coding.slice(0, 40)}': expected gzip or deflate`);
  }
  try {
    return await INFLATE[coding](body, { maxOutputLength: bytesMax });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw gatewayErrors['too-large'](`the body is larger than ${bytesMax} bytes without its encoding`);
    }
    throw invalidField('body', `is not ${coding}, as Content-Encoding says`);
  }
}

/** The coding in which a client wants an answer of this size, by its `Accept-Encoding`. */
export function acceptedCoding(header: string | undefined, bytes: number): Coding | undefined {
  if (header === undefined || bytes < COMPRESSED_FROM_BYTES) return undefined;
  for (const part of header.toLowerCase().split(',').slice(0, 20)) {
    const [coding = '', quality] = part.split(';').map((piece) => piece.trim());
    if (isCoding(coding) && !/^q=0(\.0*)?$/.test(quality ?? '')) return coding;
  }
  return undefined;
}

export function deflated(body: Buffer, coding: Coding): Promise<Buffer> {
  return DEFLATE[coding](body);
}

function isCoding(name: string): name is Coding {
  return Object.hasOwn(INFLATE, name);
}
