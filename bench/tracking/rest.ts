import { Agent, request } from 'node:http';

/** A client of MLflow's REST protocol over kept-alive connections. */
export class MlflowRest {
  readonly #base: URL;
  readonly #agent: Agent;

  constructor(url: string, connections: number) {
    this.#base = new URL(url);
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  post(path: string, body: object): Promise<Record<string, unknown>> {
    return this.#send('POST', `/api/2.0/mlflow/${path}`, JSON.stringify(body));
  }

  get(path: string, query: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
    return this.#send('GET', `/api/2.0/mlflow/${path}?${new URLSearchParams(query)}`);
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(method: string, path: string, body?: string): Promise<Record<string, unknown>> {
    const headers =
      body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    return new Promise((resolve, reject) => {
      const { hostname: host, port } = this.#base;
      const sent = request({ host, port, method, path, headers, agent: this.#agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode === 200) resolve(JSON.parse(text));
          else reject(new Error(`${method} ${path} was answered ${response.statusCode}: ${text.slice(0, 300)}`));
        });
      });
      // A server may close a connection that was idle just as it is used again.
      sent.on('error', (error: NodeJS.ErrnoException) => {
        if (sent.reusedSocket && error.code === 'ECONNRESET') this.#send(method, path, body).then(resolve, reject);
        else reject(error);
      });
      sent.end(body);
    });
  }
}
