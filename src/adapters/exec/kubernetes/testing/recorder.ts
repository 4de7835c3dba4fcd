import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ClusterAccess } from '../api/access.ts';
import type { Entry } from './recording.ts';

/** Stands between the executor and an API server, passes everything on, and writes it down. */
export class Recorder {
  readonly entries: Entry[] = [];
  readonly #target: ClusterAccess;
  readonly #server: Server;
  /** How many answers to a create of a Job are lost on their way. */
  #losses: number;
  #count = 0;

  static async open(target: ClusterAccess, { losses = 0 }: { readonly losses?: number } = {}): Promise<Recorder> {
    const recorder = new Recorder(target, losses);
    await new Promise<void>((resolve) => recorder.#server.listen(0, '127.0.0.1', resolve));
    return recorder;
  }

  private constructor(target: ClusterAccess, losses: number) {
    this.#target = target;
    this.#losses = losses;
    this.#server = createServer((request, response) => void this.#pass(request, response));
  }

  get access(): ClusterAccess {
    const { port } = this.#server.address() as AddressInfo;
    return {
      server: new URL(`http://127.0.0.1:${port}`),
      namespace: this.#target.namespace,
      credentials: async () => ({}),
    };
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const id = ++this.#count;
    const { method = 'GET', url = '/' } = request;
    let body = '';
    for await (const chunk of request) body += chunk;
    this.entries.push({ request: id, method, url, ...(body ? { body: JSON.parse(body) } : {}) });
    const isLost = method === 'POST' && /\/jobs\?/.test(url) && this.#losses-- > 0;
    const credentials = await this.#target.credentials();
    const forwarded = httpsRequest(new URL(url, this.#target.server), {
      method,
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        authorization: `Bearer ${credentials.token}`,
      },
      ...(credentials.ca ? { ca: credentials.ca } : {}),
      agent: false,
    });
    // It may have gone while its credentials were read.
    if (response.destroyed) forwarded.destroy();
    response.on('close', () => forwarded.destroy());
    forwarded.on('error', () => response.destroy());
    forwarded.on('response', (answer) => {
      answer.on('error', () => response.destroy());
      if (isLost) {
        answer.resume().on('end', () => {
          this.entries.push({ cut: id });
          response.destroy();
        });
        return;
      }
      this.#answer(id, answer, response);
    });
    forwarded.end(body);
  }

  #answer(id: number, answer: IncomingMessage, response: ServerResponse): void {
    this.entries.push({ answer: id, status: answer.statusCode ?? 0 });
    response.writeHead(answer.statusCode ?? 0, { 'content-type': answer.headers['content-type'] ?? 'text/plain' });
    response.flushHeaders();
    const isJson = answer.headers['content-type']?.includes('json');
    let pending = '';
    const flush = (text: string): void => {
      const content = isJson ? withoutManagedFields(text) : text;
      this.entries.push({ text: id, content });
      response.write(content);
    };
    answer.setEncoding('utf8').on('data', (chunk: string) => {
      if (!isJson) return flush(chunk);
      // The events of a watch are lines.
      const lines = `${pending}${chunk}`.split('\n');
      pending = lines.pop() ?? '';
      for (const line of lines) flush(`${line}\n`);
    });
    answer.on('end', () => {
      if (pending) flush(pending);
      this.entries.push({ end: id });
      response.end();
    });
  }
}

function withoutManagedFields(line: string): string {
  const end = line.endsWith('\n') ? '\n' : '';
  return `${JSON.stringify(JSON.parse(line), (key, value) => (key === 'managedFields' ? undefined : value))}${end}`;
}
