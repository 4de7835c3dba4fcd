import { hash } from 'node:crypto';
import { BoundedCache } from '#core/bounded-cache';
import type { Clock } from '#core/clock';
import type { SharedState } from '#ports/shared-state';
import type { CacheSpec } from '../../../protection-spec.ts';
import type { LiveArm } from '../../live-endpoint.ts';
import type { Row } from '../../read-instance.ts';

export interface AnswerCacheOptions extends CacheSpec {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Where gateways keep answers for one another; absent keeps them in this process. */
  readonly shared: SharedState | undefined;
  readonly onSharedDown: () => void;
  readonly onLook: (outcome: 'hit' | 'miss') => void;
}

interface Kept {
  readonly score: number;
  /** Monotonic milliseconds. */
  readonly until: number;
}

/**
 * The answers of one endpoint for a while, by revision and input. The input is the row as the model gets it: in the
 * order of its signature, with features looked up and numbers rounded to the 32 bits that it computes with, so requests
 * that mean the same share an answer and others never do.
 */
export class AnswerCache {
  readonly #options: AnswerCacheOptions;
  readonly #kept: BoundedCache<Kept>;

  constructor(options: AnswerCacheOptions) {
    this.#options = options;
    this.#kept = new BoundedCache(options.entriesMax);
  }

  /** Whether answers are kept while a rollout compares two arms. */
  get duringRollouts(): boolean {
    return this.#options.duringRollouts;
  }

  /** The scores under these keys, undefined where there is none; without a promise unless answers are shared. */
  find(keys: readonly string[]): readonly (number | undefined)[] | Promise<readonly (number | undefined)[]> {
    const { shared, clock } = this.#options;
    const now = clock.monotonic();
    const found = keys.map((key) => this.#here(key, now));
    if (!shared || found.every((score) => score !== undefined)) return this.#counted(found);
    return Promise.all(found.map((score, i) => score ?? this.#there(shared, keys[i] as string))).then((scores) =>
      this.#counted(scores),
    );
  }

  keep(key: string, score: number): void {
    const { ttlMs, clock, shared, onSharedDown } = this.#options;
    this.#kept.set(key, { score, until: clock.monotonic() + ttlMs });
    if (!shared) return;
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(score);
    shared.set(sharedKey(key), bytes, ttlMs).catch(onSharedDown);
  }

  #here(key: string, now: number): number | undefined {
    const kept = this.#kept.get(key);
    return kept && kept.until > now ? kept.score : undefined;
  }

  /** An answer that another gateway keeps. Not kept here too: it would outlive its time. */
  async #there(shared: SharedState, key: string): Promise<number | undefined> {
    try {
      const bytes = await shared.get(sharedKey(key));
      return bytes?.length === 8 ? Buffer.from(bytes).readDoubleLE() : undefined;
    } catch {
      this.#options.onSharedDown();
      return undefined;
    }
  }

  #counted(scores: readonly (number | undefined)[]): readonly (number | undefined)[] {
    for (const score of scores) this.#options.onLook(score === undefined ? 'miss' : 'hit');
    return scores;
  }
}

/** What tells answers apart: the revision, its content, and the row as it gets it. */
export function answerKey({ arm, file }: LiveArm, { numeric, categories }: Row): string {
  const { buffer } = Float32Array.from(numeric);
  const numbers = Buffer.from(buffer).toString('latin1');
  return `${arm.revision}\n${file.digest}\n${numeric.length}\n${numbers}${JSON.stringify(categories)}`;
}

function sharedKey(key: string): string {
  return `answer:${hash('sha256', key, 'base64url')}`;
}
