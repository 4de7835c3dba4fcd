import { fileURLToPath } from 'node:url';
import { Client, credentials } from '@grpc/grpc-js';
import { load, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';
import type { Rows } from './peer-servers.ts';

type Method = MethodDefinition<object, { readonly raw_output_contents: readonly Buffer[] }>;

/** Calls of ModelInfer with raw tensors. */
export class GrpcCalls {
  readonly #method: Method;

  private constructor(method: Method) {
    this.#method = method;
  }

  static async open(): Promise<GrpcCalls> {
    const proto = fileURLToPath(new URL('../../src/serving/gateway/grpc/inference.proto', import.meta.url));
    const definition = await load(proto, { keepCase: true, longs: String, defaults: true, oneofs: true });
    const service = definition['inference.GRPCInferenceService'] as ServiceDefinition;
    return new GrpcCalls(service['ModelInfer'] as Method);
  }

  get path(): string {
    return this.#method.path;
  }

  encode(rows: Rows): Buffer {
    return this.#method.requestSerialize(this.#request(rows));
  }

  /** Makes one call, and fails unless it is answered with a tensor. */
  check(address: string, rows: Rows): Promise<void> {
    const { path, requestSerialize, responseDeserialize } = this.#method;
    const client = new Client(address, credentials.createInsecure());
    return new Promise<void>((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, this.#request(rows), (error, answer) => {
        if (error) reject(error);
        else if (!answer?.raw_output_contents[0]?.length) reject(new Error(`${address} answers no tensor`));
        else resolve();
      });
    }).finally(() => client.close());
  }

  #request(rows: Rows): object {
    const raw = Buffer.from(Float32Array.from(rows.flat()).buffer);
    const shape = [rows.length, rows[0]?.length ?? 0].map(String);
    const inputs = [{ name: 'features', datatype: 'FP32', shape }];
    return { model_name: 'bench', id: 'bench', inputs, raw_input_contents: [raw] };
  }
}
