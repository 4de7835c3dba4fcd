import { z } from 'zod';
import { isDatatype } from './gateway/tensors/datatypes.ts';

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

const tensor = z.strictObject({
  name,
  datatype: z.string().refine(isDatatype, 'expected a datatype of the Open Inference Protocol, such as FP32'),
  /** −1 is a dimension of any size. */
  shape: z.array(z.number().int().min(-1)).max(8),
});
const tensors = z
  .array(tensor)
  .min(1)
  .max(1_000)
  .refine((list) => new Set(list.map((item) => item.name)).size === list.length, 'expected each name once');

export const processModel = z.strictObject({
  runtime: z.literal('process'),
  /**
   * The program and its arguments, without a shell. `{port}` is a port of 127.0.0.1 to listen on, or `{socket}` the
   * path of a UNIX socket; `{model}` is the folder with the files of the version.
   */
  command: z
    .array(
      z
        .string()
        .max(10_000)
        .refine((word) => !word.includes('\0'), 'expected text without NUL'),
    )
    .min(1)
    .max(200)
    .refine(
      (words) => words.some((word) => word.includes('{port}')) !== words.some((word) => word.includes('{socket}')),
      'expected either {port} or {socket} among its words',
    ),
  /** `oip` is the Open Inference Protocol over REST, `invocations` that of MLflow's scoring server. */
  protocol: z.enum(['oip', 'invocations']),
  /** Of `oip`: the model as the process calls it. */
  model: name.default('model'),
  version: name.optional(),
  /** Answers 200 once the model can be asked. `/v2/models/<model>/ready`, or `/ping`, unless told. */
  ready: z
    .string()
    .max(500)
    .regex(/^\/[\x21-\x7e]*$/, 'expected a path')
    .optional(),
  /** Of `invocations`, for models of tensors: what it takes and gives, which that protocol cannot tell. */
  tensors: z.strictObject({ inputs: tensors, outputs: tensors }).optional(),
  startTimeoutMs: millis(600_000).default(60_000),
  /** What it is reckoned to take of the memory for models; past it, it is killed. */
  memoryBytes: z
    .number()
    .int()
    .min(16 * 1024 * 1024)
    .max(2 ** 44)
    .default(1024 ** 3),
  /** Processors' worth of time, where the machine allows to limit it. */
  cpus: z.number().min(0.01).max(1_024).default(1),
  /** Whether it may reach the network. */
  network: z.boolean().default(false),
  environment: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of a variable'), z.string().max(10_000))
    .default({}),
  stateless: z.boolean().default(true),
  ...calls,
});
export type ProcessModel = z.output<typeof processModel>;

const nodeName = z
  .string()
  .max(100)
  .regex(/^[A-Za-z0-9_-]+$/, 'expected letters, digits, _ and -');
/** An input of the graph, or `<node>.<output>`; of a node that combines others `<node>.value`. */
const reference = z.string().min(1).max(300);

const modelNode = z.strictObject({
  name: nodeName,
  /** A registered version, `delay@3`; in a folder of models also a model of it, whose latest version is taken. */
  model: z.string().min(1).max(300),
  /** Where each input of the model comes from. */
  inputs: z.record(z.string(), reference),
  /** `skip` leaves the node out of the means and votes that it belongs to. */
  onFailure: z.enum(['fail', 'skip']).default('fail'),
});

const combiningNode = z.strictObject({
  name: nodeName,
  /** `mean` (with weights: the weighted mean), `vote` for the most frequent value, `stack` for all columns together. */
  combine: z.enum(['mean', 'vote', 'stack']),
  of: z.array(reference).min(1).max(100),
  weights: z.array(z.number().positive().max(1e9)).optional(),
  /** How many members have to answer; all of them unless told. */
  atLeast: z.number().int().min(1).optional(),
});

const graphNode = z.union([modelNode, combiningNode]);
export type GraphNode = z.output<typeof graphNode>;

export const graphModel = z.strictObject({
  runtime: z.literal('graph'),
  inputs: tensors.refine((list) => list.every((item) => !item.name.includes('.')), 'expected names without dots'),
  nodes: z
    .array(graphNode)
    .min(1)
    .max(100)
    .refine((list) => new Set(list.map((item) => item.name)).size === list.length, 'expected each name once'),
  /** The outputs of the graph, and where each comes from. */
  outputs: z
    .record(name, reference)
    .refine((outputs) => Object.keys(outputs).length > 0, 'expected at least one output'),
  output: scored.default({}),
  maxBatchSize: z.number().int().min(1).max(1_000_000).optional(),
});
export type GraphModel = z.output<typeof graphModel>;

export const modelDeclaration = z.discriminatedUnion('runtime', [externalModel, processModel, graphModel]);
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
