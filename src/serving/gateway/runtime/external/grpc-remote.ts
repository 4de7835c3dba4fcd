import { Client, credentials, type MethodDefinition, type ServiceError, status } from '@grpc/grpc-js';
import type { ServiceDefinition } from '@grpc/proto-loader';
import type { Clock } from '#core/clock';
import { type InputMessage, tensorOf } from '../../grpc/infer-message.ts';
import { loadService } from '../../grpc/service.ts';
import { rawOf } from '../../tensors/encode.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import type { TensorCall } from '../model-runtime.ts';
import { type FailureKind, RemoteFailure, type RemoteModel, type RemoteServer } from './remote-server.ts';
import { answersOf, specsOf } from './remote-tensors.ts';

export interface GrpcOptions {
  /** `grpc://host:port`, or `grpcs:` for TLS. */
  readonly url: string;
  readonly model: string;
  readonly version?: string | undefined;
  readonly connections: number;
  readonly clock: Pick<Clock, 'now'>;
}

interface Answer {
  readonly outputs: readonly InputMessage[];
  readonly raw_output_contents: readonly Buffer[];
}

const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
/** Connections carry many calls each: a few spread the work of framing. */
const CHANNELS_MAX = 4;

/** A model of a server of the Open Inference Protocol, over gRPC. Tensors travel as bytes. */
export class GrpcRemote implements RemoteServer {
  readonly #options: GrpcOptions;
  readonly #clients: readonly Client[];
  readonly #methods: ServiceDefinition;
  #next = 0;

  static async open(options: GrpcOptions): Promise<GrpcRemote> {
    return new GrpcRemote(options, await loadService());
  }

  private constructor(options: GrpcOptions, methods: ServiceDefinition) {
    this.#options = options;
    this.#methods = methods;
    const { protocol, host } = new URL(options.url.replace(/^grpc/, 'http'));
    const channel = protocol === 'https:' ? credentials.createSsl() : credentials.createInsecure();
    this.#clients = Array.from({ length: Math.min(CHANNELS_MAX, options.connections) }, () => {
      return new Client(host, channel, {
        'grpc.max_receive_message_length': ANSWER_BYTES_MAX,
        'grpc.max_send_message_length': -1,
        // Of its own for each client; otherwise all would share one connection.
        'grpc.use_local_subchannel_pool': 1,
        // What is sent again is decided one level up, where it is known what that may do.
        'grpc.enable_retries': 0,
      });
    });
  }

  async describe(timeoutMs: number): Promise<RemoteModel> {
    const metadata = await this.#call<Record<string, unknown>>('ModelMetadata', this.#name(), timeoutMs);
    const config = await this.#call<{ config?: { max_batch_size?: number } | null }>(
      'ModelConfig',
      this.#name(),
      timeoutMs,
    ).catch((error) => {
      // An extension, which only some servers have.
      if (error instanceof RemoteFailure && error.kind !== 'late') return undefined;
      throw error;
    });
    return {
      inputs: specsOf(metadata['inputs'], 'inputs'),
      outputs: specsOf(metadata['outputs'], 'outputs'),
      maxBatchSize: config?.config?.max_batch_size,
    };
  }

  async isReady(timeoutMs: number): Promise<boolean> {
    const answer = await this.#call<{ ready: boolean }>('ModelReady', this.#name(), timeoutMs).catch(() => undefined);
    return answer?.ready === true;
  }

  async infer({ feeds, wanted }: TensorCall, timeoutMs: number): Promise<Tensor[]> {
    const { model, version = '' } = this.#options;
    const message = {
      ...{ model_name: model, model_version: version },
      inputs: feeds.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
      outputs: wanted.map((name) => ({ name })),
      raw_input_contents: feeds.map(({ values }) => rawOf(values)),
    };
    const { outputs, raw_output_contents: raw } = await this.#call<Answer>('ModelInfer', message, timeoutMs);
    return answersOf(
      outputs.map((output, i) => tensorOf({ ...output, parameters: {} }, raw[i])),
      wanted,
    );
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  #name(): object {
    return { name: this.#options.model, version: this.#options.version ?? '' };
  }

  #call<Reply>(name: string, message: object, timeoutMs: number): Promise<Reply> {
    const method = this.#methods[name] as MethodDefinition<object, object>;
    const client = this.#clients[this.#next++ % this.#clients.length] as Client;
    const deadline = this.#options.clock.now() + timeoutMs;
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        message,
        { deadline },
        (error, reply) => {
          if (error) reject(failureOf(error));
          else if (reply) resolve(reply as Reply);
          else reject(new RemoteFailure('failed', 'the answer is empty'));
        },
      );
    });
  }
}

const KINDS: Readonly<Partial<Record<number, FailureKind>>> = {
  [status.INVALID_ARGUMENT]: 'refused',
  [status.OUT_OF_RANGE]: 'refused',
  [status.FAILED_PRECONDITION]: 'refused',
  [status.UNIMPLEMENTED]: 'refused',
  [status.NOT_FOUND]: 'missing',
  [status.DEADLINE_EXCEEDED]: 'late',
  [status.RESOURCE_EXHAUSTED]: 'busy',
  [status.CANCELLED]: 'lost',
};

/** Both a server that is not there and one that went away in the middle are UNAVAILABLE; only the words differ. */
function failureOf({ code, details }: Pick<ServiceError, 'code' | 'details'>): RemoteFailure {
  const words = `it answered ${status[code]}: ${details}`;
  if (code !== status.UNAVAILABLE) return new RemoteFailure(KINDS[code] ?? 'failed', words);
  const unsent = /^(No connection established|Name resolution failed|Failed to connect)/.test(details);
  return new RemoteFailure(unsent ? 'unsent' : 'lost', words);
}
