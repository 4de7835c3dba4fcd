import { z } from 'zod';

/**
 * A model that is no file of weights: a `model.json`, which says what runs it. It is a version's content as any other
 * model file is, so that a changed declaration is another version, which a rollout compares with the one before it.
 */

const name = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\s/]+$/, 'expected a name without spaces and slashes');
const millis = (max: number) => z.number().int().min(1).max(max);

/** Which number of the answer is the score of a row, for versions whose signature is columns. */
const scored = z.strictObject({
  /** The output; the one that the signature names, or the only one, unless told. */
  name: name.optional(),
  /** Of an output with several numbers a row, the place of the one that counts; −1 is the last. */
  column: z.number().int().min(-1).max(10_000).optional(),
});

const calls = {
  output: scored.default({}),
  /** Rows of one call; what the server says of the model unless told. */
  maxBatchSize: z.number().int().min(1).max(1_000_000).optional(),
  /** After this a call is given up. */
  timeoutMs: millis(600_000).default(2_000),
  /** Calls at the same time, each with a connection of its own. */
  connections: z.number().int().min(1).max(256).default(8),
};

export const externalModel = z.strictObject({
  runtime: z.literal('external'),
  /** `http:`, `https:`, `grpc:` or `grpcs:`, with the host and the port of a server of the Open Inference Protocol. */
  url: z
    .url({ protocol: /^(https?|grpcs?)$/, hostname: /./ })
    .refine((text) => /^[a-z]+:\/\/[^/@?#]+\/?$/.test(text), 'expected a scheme, a host and a port alone'),
  /** The model as that server calls it, and its version there; whichever it serves unless told. */
  model: name,
  version: name.optional(),
  /** How tensors travel over REST: as bytes where the server says that it reads them, unless told. */
  tensors: z.enum(['auto', 'binary', 'json']).default('auto'),
  /** The same call twice is as good as once. False keeps a call that may have been run from being sent again. */
  stateless: z.boolean().default(true),
  ...calls,
});
export type ExternalModel = z.output<typeof externalModel>;

export const modelDeclaration = z.discriminatedUnion('runtime', [externalModel]);
export type ModelDeclaration = z.output<typeof modelDeclaration>;

/** The path of a declaration among the artifacts of a version. */
export const DECLARATION_FILE = 'model.json';
export const DECLARATION_BYTES_MAX = 1024 * 1024;

/** Throws an `Error` that names the field. */
export function parseDeclaration(text: string): ModelDeclaration {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${DECLARATION_FILE} is not JSON: ${error instanceof Error ? error.message.slice(0, 200) : ''}`);
  }
  const read = modelDeclaration.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new Error(`${DECLARATION_FILE}: ${issue?.path.join('.') || 'content'}: ${issue?.message ?? 'is not valid'}`);
}
