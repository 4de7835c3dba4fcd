import { Agent, request } from 'node:http';

export interface Answer {
  readonly id: string;
  readonly revision: string;
  readonly arm: 'current' | 'candidate';
  readonly output: { readonly probability: number };
  readonly fallback?: unknown;
}

export interface PredictRequest {
  readonly id: string;
  readonly at: number;
  readonly entities: Readonly<Record<string, string>>;
  readonly inputs: Readonly<Record<string, number | string>>;
}

const IN_FLIGHT = 16;
/** A gateway that is started again answers within seconds; a client that gives up sooner would see the restart. */
const RETRY_FOR_MS = 30_000;

/** A client as applications have one: keep-alive connections, a few requests at a time, retries when one breaks off. */
export class GatewayClient {
  readonly #url: URL;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  /** Requests that were answered with an error, or not at all, in spite of the retries. */
  failures = 0;
  retries = 0;
  answered = 0;
  fallbacks = 0;

  constructor(url: string) {
    this.#url = new URL(url);
  }

  /** Sends the requests, a few at a time, and hands each answer to `onAnswer`. */
  async predictAll(
    endpoint: string,
    requests: readonly PredictRequest[],
    onAnswer: (request: PredictRequest, answer: Answer) => void,
  ): Promise<void> {
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let i = next++; i < requests.length; i = next++) {
        const body = requests[i] as PredictRequest;
        const answer = await this.#predict(endpoint, body);
        if (answer) onAnswer(body, answer);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  }

  /** Has everything recorded so far sent on; tells the version of the routing table that the gateway answers from. */
  async flush(): Promise<{ readonly shipped: number; readonly routing: number }> {
    for (;;) {
      const reply = await this.#post('/v1/flush', '').catch(() => undefined);
      if (reply?.status === 200) return JSON.parse(reply.text);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #predict(endpoint: string, body: PredictRequest): Promise<Answer | undefined> {
    const text = JSON.stringify(body);
    const giveUpAt = performance.now() + RETRY_FOR_MS;
    for (let attempt = 0; ; attempt++) {
      const reply = await this.#post(`/v1/endpoints/${endpoint}/predict`, text).catch(() => undefined);
      if (reply?.status === 200) {
        const answer = JSON.parse(reply.text) as Answer;
        this.answered += 1;
        if (answer.fallback) this.fallbacks += 1;
        return answer;
      }
      if (reply && reply.status < 500) {
        this.failures += 1;
        throw new Error(`the gateway refused a request: ${reply.status} ${reply.text}`);
      }
      if (performance.now() > giveUpAt) {
        this.failures += 1;
        return undefined;
      }
      // A connection that broke off is the restart of a process; an answer with an error is a failure that was seen.
      if (reply) this.failures += 1;
      else this.retries += 1;
      await new Promise((resolve) => setTimeout(resolve, Math.min(500, 10 * 2 ** attempt)));
    }
  }

  #post(path: string, body: string): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: this.#url.hostname,
          port: this.#url.port,
          path,
          method: 'POST',
          agent: this.#agent,
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        },
        (incoming) => {
          let text = '';
          incoming.setEncoding('utf8');
          incoming.on('data', (chunk: string) => {
            text += chunk;
          });
          incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }));
          incoming.on('error', reject);
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }
}
