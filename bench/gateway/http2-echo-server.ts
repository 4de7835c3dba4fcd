import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

/**
 * What `node:http2` allows, whoever speaks gRPC over it: reads a message, looks at none of it, and answers the same
 * ModelInferResponse to every call.
 */
const response = Buffer.concat([
  field(1, Buffer.from('bench')),
  field(2, Buffer.from('1')),
  field(3, Buffer.from('bench')),
  field(
    5,
    Buffer.concat([field(1, Buffer.from('probability')), field(2, Buffer.from('FP32')), field(3, Buffer.of(1, 1))]),
  ),
  field(6, Buffer.from(Float32Array.of(0.5).buffer)),
]);
const message = Buffer.concat([Buffer.of(0, 0, 0, 0, response.length), response]);

/** A field of protobuf whose length stands before it. */
function field(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.of((number << 3) | 2, bytes.length), bytes]);
}

const server = createServer({ settings: { maxConcurrentStreams: 1_000 } });
server.on('stream', (stream: ServerHttp2Stream) => {
  stream.on('data', () => undefined);
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.on('end', () => {
    const options = { waitForTrailers: true, sendDate: false };
    stream.respond([':status', '200', 'content-type', 'application/grpc'], options);
    stream.end(message);
  });
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ url: 'http://127.0.0.1', grpc: `127.0.0.1:${port}` });
});
