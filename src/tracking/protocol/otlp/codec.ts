import { fileURLToPath } from 'node:url';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import type { Encoding } from '../../traces/normalize.ts';
import { otlpErrors } from './errors.ts';
import { hasTooManyParts, hasTooManyTokens, PARTS_MAX } from './parts.ts';

/** One of OTLP's two encodings. What is decoded has OTLP's names in lower camel case in both. */
export interface Codec {
  readonly mediaType: string;
  readonly encoding: Encoding;
  request(bytes: Buffer): Readonly<Record<string, unknown>>;
  response(partial: PartialSuccess | undefined): Uint8Array | string;
  refusal(status: { readonly code: number; readonly message: string }): Uint8Array | string;
}

export interface PartialSuccess {
  readonly rejectedSpans: number;
  readonly errorMessage: string;
}

type Message = MessageTypeDefinition<object, object>;

const DEFINITION = fileURLToPath(new URL('./trace.proto', import.meta.url));

/** Reads and writes protobuf by the definition beside this file. */
function protobufCodec(): Codec {
  const definition = loadSync(DEFINITION, { longs: String });
  const [request, response, status] = ['TraceRequest', 'TraceResponse', 'Status'].map(
    (name) => definition[`kedge.otlp.${name}`] as Message,
  ) as [Message, Message, Message];
  return {
    mediaType: 'application/x-protobuf',
    encoding: {
      id: (value) => (Buffer.isBuffer(value) ? value.toString('hex') : ''),
      bytes: (value) => (Buffer.isBuffer(value) ? value.toString('base64') : ''),
    },
    request(bytes) {
      if (hasTooManyParts(bytes)) throw tooManyParts();
      try {
        return request.deserialize(bytes) as Record<string, unknown>;
      } catch (error) {
        throw otlpErrors.malformed(`the body is not an export of traces in protobuf: ${(error as Error).message}`);
      }
    },
    response: (partial) => response.serialize(partial ? { partialSuccess: partial } : {}),
    refusal: (refused) => status.serialize(refused),
  };
}

function tooManyParts(): Error {
  return otlpErrors['too-large'](`the export has more than ${PARTS_MAX} parts: send it in several`);
}

/** Integers that a number of JavaScript does not hold exactly are taken as they are written. */
function exact(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || !Number.isInteger(value) || Number.isSafeInteger(value)) return value;
  return context?.source !== undefined && /^-?\d+$/.test(context.source) ? context.source : value;
}

const jsonCodec: Codec = {
  mediaType: 'application/json',
  encoding: {
    id: (value) => (typeof value === 'string' ? value.toLowerCase() : ''),
    bytes: (value) => (typeof value === 'string' ? Buffer.from(value, 'base64').toString('base64') : ''),
  },
  request(bytes) {
    if (hasTooManyTokens(bytes)) throw tooManyParts();
    try {
      const parsed: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), exact);
      if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
        return parsed as Record<string, unknown>;
      }
    } catch (error) {
      throw otlpErrors.malformed(`the body is not JSON in UTF-8: ${(error as Error).message}`);
    }
    throw otlpErrors.malformed('the body is not an export of traces: expected an object with resourceSpans');
  },
  response: (partial) => JSON.stringify(partial ? { partialSuccess: sentPartial(partial) } : {}),
  refusal: (status) => JSON.stringify(status),
};

/** Integers of 64 bits are digits in OTLP's JSON. */
function sentPartial({ rejectedSpans, errorMessage }: PartialSuccess): object {
  return { rejectedSpans: String(rejectedSpans), errorMessage };
}

let protobuf: Codec | undefined;

/** The encoding of a media type; undefined for one that is not OTLP's. The definition is read when it is asked for. */
export function codecFor(mediaType: 'application/json'): Codec;
export function codecFor(mediaType: string | string[] | undefined): Codec | undefined;
export function codecFor(mediaType: string | string[] | undefined): Codec | undefined {
  const name = String(mediaType ?? '')
    .split(';')[0]
    ?.trim()
    .toLowerCase();
  if (name === 'application/json') return jsonCodec;
  if (name !== 'application/x-protobuf') return undefined;
  protobuf ??= protobufCodec();
  return protobuf;
}
