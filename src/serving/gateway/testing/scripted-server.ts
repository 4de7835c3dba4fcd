import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/**
 * A server of the Open Inference Protocol that a test writes by hand, with one model `m` of `x` FP32 [-1, 1] to
 * `y` FP32 [-1, 1]: the other end of the wire, which can do what real servers do on bad days.
 */
export class ScriptedServer {
  /** Bodies of the infer calls that came, whatever became of them. */
  readonly calls: Buffer[] = [];
  metadata: unknown = {
    name: 'm',
    platform: 'test',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
  };
  /** Answers the call with this number, counted from 0. */
  onInfer: (call: number, response: ServerResponse, body: Buffer) => void = (_call, response, body) => {
    const [{ data, shape }] = JSON.parse(body.toString()).inputs;
    this.answer(response, 200, {
      outputs: [{ name: 'y', datatype: 'FP32', shape, data: data.map((x: number) => 2 * x) }],
    });
  };
  readonly #sockets = new Set<Socket>();
  #port = 0;
  #server = this.#create();

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Listens, after a {@link close} at the same port. */
  async listen(): Promise<void> {
    this.#server = this.#create();
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  answer(response: ServerResponse, status: number, value: unknown): void {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #create(): ReturnType<typeof createServer> {
    const server = createServer((request, response) => this.#handle(request, response));
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    return server;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { url } = request;
      if (url === '/v2') return this.answer(response, 200, { name: 'scripted', extensions: [] });
      if (url === '/v2/models/m') return this.answer(response, 200, this.metadata);
      if (url === '/v2/models/m/ready') return this.answer(response, 200, {});
      if (url !== '/v2/models/m/infer') return this.answer(response, 404, { error: 'there is no such thing' });
      const body = Buffer.concat(chunks);
      this.calls.push(body);
      this.onInfer(this.calls.length - 1, response, body);
    });
  }
}
