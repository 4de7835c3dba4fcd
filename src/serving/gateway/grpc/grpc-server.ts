import { fileURLToPath } from 'node:url';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { load, type ServiceDefinition } from '@grpc/proto-loader';
import { invalidField } from '../errors.ts';
import type { GatewayParts } from '../gateway-parts.ts';
import { expected } from '../http/http-io.ts';
import { infer, metadataOf, modelReady, SERVER_EXTENSIONS, SERVER_NAME } from '../open-inference.ts';
import type { TensorInput } from '../tensors.ts';

/** The service as a server or a client of grpc-js takes it: 64-bit numbers as numbers, every field there. */
export async function loadService(): Promise<ServiceDefinition> {
  const path = fileURLToPath(new URL('./inference.proto', import.meta.url));
  const definition = await load(path, { keepCase: true, longs: Number, defaults: true, oneofs: true });
  return definition['inference.GRPCInferenceService'] as ServiceDefinition;
}

export interface GrpcServer {
  readonly address: string;
  close(): Promise<void>;
}

/** The Open Inference Protocol v2 over gRPC. Answers carry their tensors raw, the form that every client reads. */
export async function startGrpcServer(parts: GatewayParts, host: string, port: number): Promise<GrpcServer> {
  const service = await loadService();
  const { bodyBytesMax } = parts.limits;
  const server = new Server({ 'grpc.max_receive_message_length': bodyBytesMax });
  const unary =
    <Request, Response>(work: (request: Request) => Promise<Response>): UntypedHandleCall =>
    (call: ServerUnaryCall<Request, Response>, reply: sendUnaryData<Response>) => {
      work(call.request).then(
        (response) => reply(null, response),
        (error) => {
          parts.onError(error, call.getPath());
          const { status: httpStatus, message } = expected(error);
          reply({ code: GRPC_STATUS[httpStatus] ?? status.INTERNAL, details: message });
        },
      );
    };
  server.addService(service, {
    ServerLive: unary(async () => ({ live: true })),
    ServerReady: unary(async () => ({ ready: parts.router.version >= 0 })),
    ModelReady: unary(async ({ name, version }: ModelCall) => ({
      ready: await modelReady(parts, name, version || undefined),
    })),
    ServerMetadata: unary(async () => ({ name: SERVER_NAME, version: '2', extensions: SERVER_EXTENSIONS })),
    ModelMetadata: unary(({ name, version }: ModelCall) => metadataOf(parts, name, version || undefined)),
    ModelInfer: unary((request: InferRequest) => modelInfer(parts, request)),
  });
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, boundPort) =>
      error ? reject(error) : resolve(boundPort),
    );
  });
  return {
    address: `${host}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.tryShutdown(() => resolve());
        const cancel = parts.system.clock.after(SHUTDOWN_MS, () => server.forceShutdown());
        parts.signal.addEventListener('abort', cancel, { once: true });
      }),
  };
}

/** How long calls in work may take to end when the gateway closes. */
const SHUTDOWN_MS = 2_000;

const GRPC_STATUS: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  404: status.NOT_FOUND,
  413: status.RESOURCE_EXHAUSTED,
  503: status.UNAVAILABLE,
  504: status.DEADLINE_EXCEEDED,
};

interface ModelCall {
  readonly name: string;
  readonly version: string;
}

/** `ModelInferRequest` as proto-loader decodes it. */
interface InferRequest {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: Readonly<Record<string, { readonly int64_param?: number; readonly double_param?: number }>>;
  readonly inputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly contents: Readonly<Record<string, readonly unknown[]>> | null;
  }[];
  readonly raw_input_contents: readonly Buffer[];
}

async function modelInfer(parts: GatewayParts, request: InferRequest): Promise<Record<string, unknown>> {
  const { inputs, raw_input_contents: raw, parameters } = request;
  if (raw.length > 0 && raw.length !== inputs.length) {
    throw invalidField('raw_input_contents', `has ${raw.length} tensors, inputs has ${inputs.length}`);
  }
  const result = await infer(parts, {
    model: request.model_name,
    version: request.model_version || undefined,
    id: request.id || undefined,
    at: parameters['at']?.int64_param ?? parameters['at']?.double_param,
    inputs: inputs.map((input, i) => tensorOf(input, raw[i])),
  });
  const { buffer, byteOffset, byteLength } = result.scores;
  return {
    model_name: result.model,
    model_version: result.version,
    id: result.id,
    parameters: { revision: { string_param: result.revision } },
    outputs: [{ name: result.output, datatype: 'FP32', shape: [result.scores.length, 1] }],
    raw_output_contents: [Buffer.from(buffer, byteOffset, byteLength)],
  };
}

const CONTENTS: Readonly<Record<string, string>> = {
  BOOL: 'bool_contents',
  INT8: 'int_contents',
  INT16: 'int_contents',
  INT32: 'int_contents',
  INT64: 'int64_contents',
  UINT8: 'uint_contents',
  UINT16: 'uint_contents',
  UINT32: 'uint_contents',
  UINT64: 'uint64_contents',
  FP32: 'fp32_contents',
  FP64: 'fp64_contents',
  BYTES: 'bytes_contents',
};

function tensorOf(input: InferRequest['inputs'][number], raw: Buffer | undefined): TensorInput {
  const { name, datatype, shape, contents } = input;
  if (raw) return { name, datatype, shape, raw };
  const values = contents?.[CONTENTS[datatype] ?? ''] ?? [];
  // NaN is how a number is missing in a form that has no null.
  const data = values.map((value) =>
    Buffer.isBuffer(value) ? value.toString('utf8') : typeof value === 'number' && Number.isNaN(value) ? null : value,
  );
  return { name, datatype, shape, data };
}
