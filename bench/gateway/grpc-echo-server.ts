import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js';
import { load, type ServiceDefinition } from '@grpc/proto-loader';

interface Message {
  readonly model_name: string;
  readonly id: string;
  readonly raw_input_contents: readonly Buffer[];
}

/** The yardstick of gRPC: bare grpc-js that decodes a ModelInferRequest and answers its tensor, and nothing else. */
const proto = fileURLToPath(new URL('../../src/serving/gateway/grpc/inference.proto', import.meta.url));
const definition = await load(proto, { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true });
const server = new Server();
server.addService(definition['inference.GRPCInferenceService'] as ServiceDefinition, {
  ModelInfer({ request }: { readonly request: Message }, answer: sendUnaryData<object>) {
    const { model_name, id, raw_input_contents } = request;
    const outputs = [{ name: 'probability', datatype: 'FP32', shape: ['1', '1'] }];
    const score = raw_input_contents[0]?.subarray(0, 4);
    answer(null, { model_name, model_version: '1', id, outputs, raw_output_contents: [score] });
  },
});
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.send?.({ url: 'http://127.0.0.1', grpc: `127.0.0.1:${port}` });
});
