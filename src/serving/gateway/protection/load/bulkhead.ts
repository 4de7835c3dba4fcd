import type { Clock } from '#core/clock';
import type { ConcurrencySpec } from '../../../protection-spec.ts';
import { gatewayErrors, later } from '../../errors.ts';
import { AdaptiveLimit } from './adaptive-limit.ts';

const LIMIT_MIN = 4;

/** The requests of one endpoint that may be in work, so that one that is slow does not take the gateway with it. */
export class Bulkhead {
  readonly #endpoint: string;
  readonly #max: number;
  readonly #adaptive: AdaptiveLimit | undefined;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #inWork = 0;

  constructor(endpoint: string, { max, adaptive }: ConcurrencySpec, clock: Pick<Clock, 'monotonic'>) {
    this.#endpoint = endpoint;
    this.#max = max;
    this.#adaptive = adaptive ? new AdaptiveLimit({ min: Math.min(max, LIMIT_MIN), max }) : undefined;
    this.#clock = clock;
  }

  get limit(): number {
    return this.#adaptive?.limit ?? this.#max;
  }

  /**
   * Takes a place; what it returns gives it back, and is told whether there was an answer.
   * Errors: `gateway/overloaded`.
   */
  enter(): (answered: boolean) => void {
    if (this.#inWork >= this.limit) {
      const detail = `'${this.#endpoint}' has ${this.#inWork} requests in work, which is what it bears at this moment`;
      throw later(gatewayErrors.overloaded(detail), 1_000);
    }
    this.#inWork += 1;
    const inWork = this.#inWork;
    const startedMs = this.#clock.monotonic();
    return (answered) => {
      this.#inWork -= 1;
      if (!this.#adaptive || !answered) return;
      const nowMs = this.#clock.monotonic();
      this.#adaptive.observe(nowMs - startedMs, inWork, nowMs);
    };
  }
}
