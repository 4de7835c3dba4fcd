import type { Answer } from './town-player.ts';

export interface Probe {
  /** Wall-clock times in epoch milliseconds. */
  readonly sentAt: number;
  readonly answeredAt: number;
  /** From when the request was due, so that what held the client up counts too. */
  readonly latencyMs: number;
  readonly revision: string;
  readonly fallback: boolean;
}

export interface ProberOptions {
  readonly endpoint: string;
  /** Event time of a request. */
  readonly at: () => number;
  /** From an answer to the next request. */
  readonly pauseMs: number;
  readonly car?: string;
}

/** A client that asks again and again, one request at a time, and keeps who answered and when. */
export class Prober {
  readonly #url: string;
  readonly #options: ProberOptions;
  readonly #running: Promise<void>;
  readonly probes: Probe[] = [];
  failures = 0;
  #stopping = false;

  constructor(gatewayUrl: string, options: ProberOptions) {
    this.#url = `${gatewayUrl}/v1/endpoints/${options.endpoint}/predict`;
    this.#options = options;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const dueMs = performance.now() + this.#options.pauseMs;
      await new Promise((resolve) => setTimeout(resolve, this.#options.pauseMs));
      await this.#probe(dueMs);
    }
  }

  async #probe(dueMs: number): Promise<void> {
    const { at, car = 'van' } = this.#options;
    const sentAt = Date.now();
    const body = JSON.stringify({ at: at(), entities: { zone: 'north' }, inputs: { x: 0.5, car } });
    const response = await fetch(this.#url, { method: 'POST', body });
    const answer = (await response.json()) as Answer;
    if (!response.ok) {
      this.failures += 1;
      return;
    }
    const { revision, fallback = false } = answer;
    const latencyMs = performance.now() - dueMs;
    this.probes.push({ sentAt, answeredAt: Date.now(), latencyMs, revision, fallback });
  }
}
