import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** In the place of a control plane: takes all predictions that a gateway sends, and knows of nothing else. */
const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    const takes = request.method === 'POST' && request.url === '/api/v1/predictions/packed';
    response.writeHead(takes ? 200 : 503, { 'Content-Type': 'application/json' });
    response.end(takes ? '{"recorded":0,"duplicates":0}' : '{}');
  });
});
server.listen(0, '127.0.0.1', () => {
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
});
