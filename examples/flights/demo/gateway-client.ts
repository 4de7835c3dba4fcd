import { Agent, request } from 'node:http';
import { ANSWER_WITHIN_MS, until } from './patience.ts';

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

interface Reply {
  readonly status: number;
  readonly text: string;
}

const IN_FLIGHT = 16;

/**
 * A client as applications have one: keep-alive connections, a few requests at a time, and the same request again when
 * a connection breaks off. A prediction keeps its id, so however often it is asked for, it is recorded once.
 */
export class GatewayClient {
  readonly #url: URL;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT, timeout: ANSWER_WITHIN_MS });
  /** Answers with an error that clients saw. */
  failures = 0;
  /** Predictions asked for again because a connection broke off, as it does when the gateway is started again. */
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
        onAnswer(body, await this.#predict(endpoint, body));
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  }

  /** Has everything recorded so far sent on; tells the version of the routing table that the gateway answers from. */
  async flush(): Promise<{ readonly shipped: number; readonly routing: number }> {
    return JSON.parse(await this.#insist('the gateway to send on what it recorded', '/v1/flush', ''));
  }

  /** Scores rows with a registered version, beside the endpoint and unrecorded, in the Open Inference Protocol. */
  async infer(model: string, version: number, inputs: readonly object[]): Promise<number[]> {
    const path = `/v2/models/${model}/versions/${version}/infer`;
    const text = await this.#insist(`scores of ${model} version ${version}`, path, JSON.stringify({ inputs }));
    const { outputs } = JSON.parse(text) as { outputs: { data: number[] }[] };
    return outputs[0]?.data ?? [];
  }

  close(): void {
    this.#agent.destroy();
  }

  async #predict(endpoint: string, body: PredictRequest): Promise<Answer> {
    const path = `/v1/endpoints/${endpoint}/predict`;
    const answer = JSON.parse(
      await this.#insist(`an answer to ${body.id}`, path, JSON.stringify(body), (reply) => {
        if (reply) this.failures += 1;
        else this.retries += 1;
      }),
    ) as Answer;
    this.answered += 1;
    if (answer.fallback) this.fallbacks += 1;
    return answer;
  }

  /** Posts until the answer is a good one. A refusal is thrown: it would be the same however often it were asked. */
  #insist(what: string, path: string, body: string, onFailure?: (reply: Reply | undefined) => void): Promise<string> {
    return until(what, async () => {
      const reply = await this.#post(path, body).catch(() => undefined);
      if (reply?.status === 200) return reply.text;
      onFailure?.(reply);
      if (reply && reply.status < 500) throw new Error(`the gateway refuses ${path}: ${reply.status} ${reply.text}`);
      return undefined;
    });
  }

  #post(path: string, body: string): Promise<Reply> {
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
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')));
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }
}
