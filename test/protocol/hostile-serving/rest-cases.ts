import { deflateSync, gzipSync } from 'node:zlib';

/** A request that must not be answered with 200, and what it has to be answered with. */
export interface HostileRequest {
  readonly what: string;
  readonly path: string;
  readonly status: number;
  readonly method?: string;
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

const DEEP = 250_000;
const nested = '['.repeat(DEEP) + ']'.repeat(DEEP);
const nestedObjects = `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`;
/** Past the limit of a body, 4 MiB, when it is inflated. */
const bomb = Buffer.alloc(200_000_000);

const tensor = (more: object): object => ({ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1], ...more });
const infer = (what: string, body: unknown, { model = 'FP32', status = 400 } = {}): HostileRequest => ({
  ...{ what, status, path: `/v2/models/${model}/infer` },
  body: typeof body === 'string' ? body : JSON.stringify(body),
});
const oneTensor = (what: string, more: object, model = 'FP32'): HostileRequest =>
  infer(what, { inputs: [tensor(more)] }, { model });

interface BinaryRequest {
  readonly model?: string;
  readonly size: unknown;
  readonly shape?: readonly number[];
  readonly bytes: Buffer;
}

/** JSON followed by bytes, as the binary extension has it. */
function binary(what: string, { model = 'FP32', size, shape = [1, 1], bytes }: BinaryRequest): HostileRequest {
  const input = { name: 'x', datatype: model, shape, parameters: { binary_data_size: size } };
  const head = Buffer.from(JSON.stringify({ inputs: [input] }));
  const headers = { 'inference-header-content-length': String(head.length) };
  return { what, path: `/v2/models/${model}/infer`, status: 400, body: Buffer.concat([head, bytes]), headers };
}

function headed(what: string, length: string): HostileRequest {
  const body = JSON.stringify({ inputs: [tensor({})] });
  return { ...infer(what, body), headers: { 'inference-header-content-length': length } };
}

function textOf(length: number, text: string | Buffer): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32LE(length);
  return Buffer.concat([prefix, Buffer.from(text)]);
}

const raw = (what: string, model: string, body: Buffer): HostileRequest => ({
  ...{ what, path: `/v2/models/${model}/infer`, status: 400, body },
  headers: { 'inference-header-content-length': '0' },
});
const coded = (what: string, coding: string, body: Buffer, status: number): HostileRequest => ({
  ...{ what, path: '/v2/models/FP32/infer', status, body, headers: { 'content-encoding': coding } },
});
const load = (what: string, parameters: object, model = 'FP32'): HostileRequest => ({
  ...{ what, path: `/v2/repository/models/${model}/load`, status: 400, body: JSON.stringify({ parameters }) },
});

export const REST_CASES: readonly HostileRequest[] = [
  headed('a header length far past the body', '99999999999'),
  headed('a header length past what a number holds', '9'.repeat(400)),
  headed('a header length below zero', '-1'),
  headed('a header length that is no whole number', '1e2'),
  headed('a header length that is a text', 'all'),
  headed('a header length within the JSON', '10'),
  oneTensor('data nested 250,000 levels deep', { data: 'DEEP' }),
  infer('a body nested 250,000 levels deep', nested),
  infer('objects nested 250,000 levels deep', nestedObjects),
  infer('parameters nested 250,000 levels deep', `{"inputs":[],"parameters":{"a":${nested}}}`),
  infer('an output requested twice', { inputs: [tensor({})], outputs: [{ name: 'y' }, { name: 'y' }] }),
  infer('an output there is not', { inputs: [tensor({})], outputs: [{ name: 'z' }] }),
  infer('outputs that are no array', { inputs: [tensor({})], outputs: {} }),
  infer('a classification below one', {
    inputs: [tensor({})],
    outputs: [{ name: 'y', parameters: { classification: -1 } }],
  }),
  infer('a classification beyond all classes', {
    inputs: [tensor({})],
    outputs: [{ name: 'y', parameters: { classification: 2 ** 40 } }],
  }),
  oneTensor('a shape whose size overflows', { shape: [2 ** 40, 2 ** 40] }),
  oneTensor('a shape of the greatest numbers', { shape: [Number.MAX_VALUE, 1] }),
  oneTensor('a negative dimension', { shape: [-1, 1] }),
  oneTensor('two negative dimensions whose product is right', { shape: [-1, -1] }),
  oneTensor('a dimension that is no whole number', { shape: [1.5, 1] }),
  oneTensor('a dimension that is a text', { shape: ['1', 1] }),
  oneTensor('a shape of a thousand dimensions', { shape: Array(1_000).fill(1) }),
  oneTensor('a shape of another rank', { shape: [1] }),
  oneTensor('an unknown datatype', { datatype: 'FP8' }),
  oneTensor('a datatype that objects have by themselves', { datatype: 'constructor' }),
  oneTensor('another datatype than the model takes', { datatype: 'INT32' }),
  oneTensor('FP16 as JSON', { datatype: 'FP16' }, 'FP16'),
  oneTensor('BF16 as JSON', { datatype: 'BF16' }, 'BF16'),
  oneTensor('a number out of range', { datatype: 'INT32', data: [2 ** 31] }, 'INT32'),
  oneTensor('a number that JSON cannot tell exactly', { datatype: 'INT64', data: [2 ** 60] }, 'INT64'),
  infer('a number beyond all numbers', '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1e999]}]}'),
  oneTensor('a text for a number', { data: ['1'] }),
  oneTensor('an object for a number', { data: [{}] }),
  oneTensor('fewer values than the shape', { shape: [2, 1] }),
  oneTensor('more values than the shape', { data: [1, 2] }),
  oneTensor('no data', { data: undefined }),
  oneTensor('data that is no array', { data: 1 }),
  oneTensor('a name that objects have by themselves', { name: '__proto__' }),
  oneTensor('a name that is no text', { name: 1 }),
  infer('the same input twice', { inputs: [tensor({}), tensor({})] }),
  infer('an input too few', { inputs: [] }),
  infer('an input too many', { inputs: [tensor({}), tensor({ name: 'z' })] }),
  infer('more inputs than there may be', { inputs: Array(10_001).fill({}) }),
  infer('inputs that are no array', { inputs: {} }),
  infer('inputs that are no tensors', { inputs: [1, null, 'x'] }),
  infer('an id that is no text', { id: 1, inputs: [tensor({})] }),
  infer('parameters that are no object', { parameters: [], inputs: [tensor({})] }),
  infer('no object', 'null'),
  infer('no JSON', '{"inputs":'),
  infer('nothing', ''),
  infer(
    'rows of different number',
    {
      inputs: ['a', 'b'].map((name, i) => ({ name, datatype: 'FP32', shape: [i + 1], data: [1, 2].slice(0, i + 1) })),
    },
    { model: 'two' },
  ),
  binary('a binary size that is less than its shape', { size: 2, bytes: Buffer.alloc(2) }),
  binary('a binary size past the body', { size: 400, bytes: Buffer.alloc(4) }),
  binary('a binary size past all numbers', { size: 2 ** 60, bytes: Buffer.alloc(4) }),
  binary('a binary size below zero', { size: -4, bytes: Buffer.alloc(4) }),
  binary('a binary size that is a text', { size: '4', bytes: Buffer.alloc(4) }),
  binary('bytes that belong to no tensor', { size: 4, bytes: Buffer.alloc(8) }),
  binary('a shape past its bytes', { size: 4, shape: [2 ** 40, 1], bytes: Buffer.alloc(4) }),
  binary('a text whose length runs past its bytes', { model: 'BYTES', size: 5, bytes: textOf(4_000_000_000, 'a') }),
  binary('a text that ends within its length', { model: 'BYTES', size: 3, bytes: Buffer.alloc(3) }),
  binary('a text that is not UTF-8', { model: 'BYTES', size: 6, bytes: textOf(2, Buffer.from([0xff, 0xfe])) }),
  binary('a text with a NUL in it', { model: 'BYTES', size: 7, bytes: textOf(3, 'a\0b') }),
  oneTensor('a text with a NUL in it as JSON', { datatype: 'BYTES', data: ['a\0b'] }, 'BYTES'),
  binary('more texts than the shape', {
    model: 'BYTES',
    size: 10,
    bytes: Buffer.concat(Array(2).fill(textOf(1, 'a'))),
  }),
  raw('a raw body for two inputs', 'two', Buffer.alloc(8)),
  raw('a raw body for two dimensions of any size', 'FP32', Buffer.alloc(8)),
  raw('a raw body of no whole number of values', 'line', Buffer.alloc(7)),
  raw('an empty raw body', 'line', Buffer.alloc(0)),
  coded('a gzip bomb', 'gzip', gzipSync(bomb), 413),
  coded('a deflate bomb', 'deflate', deflateSync(bomb), 413),
  coded('a body that is not gzip', 'gzip', Buffer.from('{}'), 400),
  coded('a gzip that ends early', 'gzip', gzipSync('{"inputs":[]}').subarray(0, 20), 400),
  coded('an unknown content coding', 'zstd', Buffer.from('{}'), 415),
  coded('two content codings', 'gzip, gzip', gzipSync(gzipSync('{}')), 415),
  { what: 'a body past the limit', path: '/v2/models/FP32/infer', status: 413, body: Buffer.alloc(5_000_000, ' ') },
  infer('an unknown model', { inputs: [] }, { model: 'nobody', status: 404 }),
  infer('an unknown version', { inputs: [] }, { model: 'FP32/versions/7', status: 404 }),
  infer('a version that is no number', { inputs: [] }, { model: 'delays/versions/../1', status: 404 }),
  infer('a version past all numbers', { inputs: [] }, { model: `delays/versions/${'9'.repeat(300)}`, status: 404 }),
  { what: 'an empty name', path: '/v2/models//infer', status: 404, body: '{}' },
  { what: 'a name that climbs', path: '/v2/models/..%2f..%2fetc%2fpasswd/infer', status: 404, body: '{}' },
  { what: 'an escape that is none', path: '/v2/models/%ff%zz/infer', status: 404, body: '{}' },
  {
    what: 'a name of 10,000 characters',
    path: `/v2/models/${'m'.repeat(10_000)}/infer`,
    status: 404,
    body: '{"inputs":[]}',
  },
  { what: 'another method', path: '/v2/models/FP32/infer', status: 405, method: 'DELETE' },
  { what: 'a part of Triton that is not offered', path: '/v2/systemsharedmemory/status', status: 501, method: 'GET' },
  load('a file in no base64', { 'file:1/model.onnx': '***', config: '{}' }),
  load('a file that climbs', { 'file:../../../tmp/x': 'AAAA', config: '{}' }),
  load('a file of no version', { 'file:x/model.onnx': 'AAAA', config: '{}' }),
  load('a file that is no model', { 'file:1/model.onnx': 'AAAA', config: '{}' }, 'sent'),
  load('a configuration that is no JSON', { config: '{' }),
  load('a configuration with a file that climbs', { config: '{"default_model_filename":"../../x"}' }),
  load('a model that climbs', {}, '..'),
  { ...load('a model that climbs further', {}, '..%2f..'), status: 404 },
  {
    what: 'instances nested 250,000 levels deep',
    path: '/v1/models/line:predict',
    status: 400,
    body: `{"instances":${nested}}`,
  },
  {
    what: 'CSV with a quote left open',
    path: '/invocations',
    status: 400,
    body: '"'.repeat(1_000_001),
    headers: { 'content-type': 'text/csv' },
  },
].map((each) =>
  each.body?.includes('"DEEP"') ? { ...each, body: String(each.body).replace('"DEEP"', nested) } : each,
);
