import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { loadService } from './grpc/service.ts';
import { endpointOf, openGateway } from './testing/gateway-harness.ts';
import { logisticModel } from './testing/models.ts';

const SCORE_OF_CANDIDATE = 1 / (1 + Math.exp(-2));

test('a header or the metadata of a call names the arm over every protocol', async (t) => {
  const armKeys = [{ name: 'qa', sha256: createHash('sha256').update('secret').digest('hex') }];
  const harness = await openGateway({
    grpcPort: 0,
    contract: { defaultEndpoint: 'e' },
    table: async (put) => {
      const current = await put(logisticModel({ a: 1 }), 'm', 1);
      const candidate = { ...(await put(logisticModel({ a: 2 }), 'm', 2)), weight: 20, shadow: false };
      const live = { blockMs: 60_000, sticky: 'customer', override: false, armKeys };
      return { version: 1, endpoints: { e: endpointOf('e', current, { candidate, rollout: 'roll_1', live }) } };
    },
  });
  t.after(() => harness.close());
  const tensors = { inputs: [{ name: 'a', datatype: 'FP32', shape: [1], data: [1] }] };
  const frame = { dataframe_split: { columns: ['a'], data: [[1]] } };
  const named = { 'x-kedge-arm': 'candidate', 'x-kedge-arm-key': 'secret' };
  const wrong = { ...named, 'x-kedge-arm-key': 'guessed' };
  const grpc = await grpcCalls(harness.gateway.grpcAddress ?? '');
  t.after(() => grpc.close());
  const byRest = (path: string, body: object) => async (headers: Record<string, string>) => {
    const { status, body: answer } = await harness.post(path, body, headers);
    return { refused: status === 403, score: answer.outputs?.[0]?.data[0] ?? answer.predictions?.[0] };
  };
  const calls: Record<string, (headers: Record<string, string>) => Promise<{ refused: boolean; score?: unknown }>> = {
    infer: byRest('/v2/models/e/infer', tensors),
    invocations: byRest('/invocations', frame),
    deployment: byRest('/endpoints/e/invocations', frame),
    'KServe v1': byRest('/v1/models/e:predict', { instances: [[1]] }),
    ModelInfer: grpc.unary,
    ModelStreamInfer: grpc.stream,
  };
  for (const [name, call] of Object.entries(calls)) {
    const { score } = await call(named);
    assert.ok(Math.abs(Number(score) - SCORE_OF_CANDIDATE) < 1e-6, `${name}: ${score}`);
    assert.equal((await call(wrong)).refused, true, name);
  }
  await harness.gateway.flush();
  const { records } = harness.controlPlane;
  assert.equal(records.length, Object.keys(calls).length);
  for (const { arm, chosenBy } of records) assert.deepEqual([arm, chosenBy], ['candidate', 'key:qa']);
});

/** Calls of the endpoint `e` over gRPC with metadata. */
async function grpcCalls(address: string) {
  const { ModelInfer, ModelStreamInfer } = await loadService();
  assert.ok(ModelInfer && ModelStreamInfer);
  const client = new Client(address, credentials.createInsecure());
  const input = { name: 'a', datatype: 'FP32', shape: ['1'], contents: { fp32_contents: [1] } };
  const message = { model_name: 'e', inputs: [input] };
  const scoreOf = (reply: object) => (reply as { raw_output_contents: Buffer[] }).raw_output_contents[0]?.readFloatLE();
  const metadataOf = (headers: Record<string, string>): Metadata => {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    return metadata;
  };
  const unary = (headers: Record<string, string>): Promise<{ refused: boolean; score?: unknown }> =>
    new Promise((resolve) => {
      const { path, requestSerialize, responseDeserialize } = ModelInfer;
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        message,
        metadataOf(headers),
        (error, reply) =>
          resolve(reply ? { refused: false, score: scoreOf(reply as object) } : { refused: error?.code === 7 }),
      );
    });
  const stream = (headers: Record<string, string>): Promise<{ refused: boolean; score?: unknown }> =>
    new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = ModelStreamInfer;
      const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadataOf(headers));
      call.on('error', reject).on('data', (reply: { error_message: string; infer_response: object }) => {
        const refused = /none of this rollout/.test(reply.error_message);
        resolve({ refused, score: refused ? undefined : scoreOf(reply.infer_response) });
        call.end();
      });
      call.write(message);
    });
  return { unary, stream, close: () => client.close() };
}
