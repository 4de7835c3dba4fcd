import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The yardstick: bare node:http, JSON in, JSON out, and nothing else. */
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    const text = JSON.stringify({ id: value.id ?? 'x', echo: value.inputs });
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) });
    response.end(text);
  });
});
server.listen(0, '127.0.0.1', () => {
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
});
