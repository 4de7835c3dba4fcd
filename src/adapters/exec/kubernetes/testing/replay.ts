import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClusterAccess } from '../api/access.ts';
import type { Entry, Recording } from './recording.ts';

/**
 * Plays the API server of a recording: answers are given in the order in which they were recorded, each as soon as
 * every request that came before it then has come again. A request that is not in the recording stays without an
 * answer and is told by {@link unexpected}.
 */
export class Replay {
  readonly #recording: Recording;
  readonly #server: Server;
  readonly #arrived = new Map<string, ServerResponse[]>();
  readonly #responses = new Map<number, ServerResponse>();
  #next = 0;

  static async open(recording: Recording): Promise<Replay> {
    const replay = new Replay(recording);
    await new Promise<void>((resolve) => replay.#server.listen(0, '127.0.0.1', resolve));
    return replay;
  }

  private constructor(recording: Recording) {
    this.#recording = recording;
    this.#server = createServer((request, response) => {
      request.resume().on('end', () => {
        const key = `${request.method} ${request.url}`;
        this.#arrived.set(key, [...(this.#arrived.get(key) ?? []), response]);
        this.#play();
      });
    });
  }

  get access(): ClusterAccess {
    const { port } = this.#server.address() as AddressInfo;
    return {
      server: new URL(`http://127.0.0.1:${port}`),
      namespace: this.#recording.namespace,
      credentials: async () => ({}),
    };
  }

  /** Requests that change something and that the recording does not have. */
  get unexpected(): readonly string[] {
    return [...this.#arrived].flatMap(([key, responses]) => responses.map(() => key)).filter(isChange);
  }

  /** Requests of the recording that change something and did not come. */
  get missing(): readonly string[] {
    return this.#recording.entries
      .slice(this.#next)
      .flatMap((entry) => ('request' in entry ? [`${entry.method} ${entry.url}`] : []))
      .filter(isChange);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #play(): void {
    const { entries } = this.#recording;
    for (let entry = entries[this.#next]; entry; entry = entries[this.#next]) {
      if (!this.#apply(entry)) return;
      this.#next++;
    }
  }

  /** False as long as the request has not come. */
  #apply(entry: Entry): boolean {
    if ('request' in entry) {
      const key = `${entry.method} ${entry.url}`;
      const [response, ...rest] = this.#arrived.get(key) ?? [];
      if (!response) return false;
      if (rest.length > 0) this.#arrived.set(key, rest);
      else this.#arrived.delete(key);
      this.#responses.set(entry.request, response);
    } else if ('answer' in entry) {
      this.#responses.get(entry.answer)?.writeHead(entry.status, { 'content-type': 'application/json' }).flushHeaders();
    } else if ('text' in entry) {
      this.#responses.get(entry.text)?.write(entry.content);
    } else if ('end' in entry) {
      this.#responses.get(entry.end)?.end();
    } else {
      this.#responses.get(entry.cut)?.destroy();
    }
    return true;
  }
}

/** How often something is read depends on time too. */
function isChange(request: string): boolean {
  return !request.startsWith('GET ');
}
