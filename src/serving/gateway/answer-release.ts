import { cancelled } from './errors.ts';
import { answeringArm, type Prediction, type Reply, type ShadowResult } from './prediction.ts';
import type { ScorerOptions } from './scorer-work.ts';
import { add, addFailure } from './statistics.ts';

type ReleaseOptions = Pick<ScorerOptions, 'clock' | 'statistics' | 'record' | 'recordShadows'>;

/** What the scorer has made and not let go yet, and how much of it is still in work. */
export class AnswerRelease {
  readonly open = { answer: 0, shadow: 0 };
  readonly #options: ReleaseOptions;
  #answered: Prediction[] = [];
  #shadows: ShadowResult[] = [];
  #drained: (() => void)[] = [];
  /** Requests whose clients have left, and of which something is in work. */
  readonly #gone = new Set<Reply>();

  constructor(options: ReleaseOptions) {
    this.#options = options;
  }

  answered(prediction: Prediction): void {
    this.#answered.push(prediction);
  }

  scoredBeside(result: ShadowResult): void {
    this.#shadows.push(result);
  }

  /** The client of a request has left: an answer that nobody gets is no prediction, and is not recorded. */
  leave(reply: Reply): void {
    reply.isGone = true;
    this.#gone.add(reply);
  }

  /** Resolves when nothing is in work: every answer is released and every score beside it recorded. */
  async drained(): Promise<void> {
    if (this.open.answer + this.open.shadow > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  /** Records what is ready, then lets the answers go, then hands them to `next`, which has the other arm scored. */
  release(next: (answered: readonly Prediction[]) => void): void {
    const answered = this.#answered;
    const shadows = this.#shadows;
    if (answered.length > 0) {
      this.#answered = [];
      const got = this.#gone.size === 0 ? answered : answered.filter(({ reply }) => !reply.isGone);
      if (got.length > 0) this.#options.record(got);
      this.#observe(got);
      this.#finish(answered);
      this.open.answer -= answered.length;
      next(got);
    }
    if (shadows.length > 0) {
      this.#shadows = [];
      this.#options.recordShadows(shadows);
      this.open.shadow -= shadows.length;
    }
    if (this.open.answer + this.open.shadow > 0 || this.#drained.length === 0) return;
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }

  #observe(answered: readonly Prediction[]): void {
    const nowMs = this.#options.clock.monotonic();
    for (const prediction of answered) {
      prediction.endpoint.observer?.answered(prediction, nowMs - prediction.startedMs);
    }
  }

  #finish(answered: readonly Prediction[]): void {
    const nowMs = this.#options.clock.monotonic();
    for (const prediction of answered) {
      const { reply } = prediction;
      if (--reply.waiting > 0) continue;
      reply.finish(reply.predictions);
      const statistics = this.#options.statistics.ofArm(answeringArm(prediction), prediction.endpoint.routed.name);
      const failed = reply.isGone ? cancelled() : reply.predictions.find(({ error }) => error)?.error;
      if (failed) addFailure(statistics, failed, nowMs - prediction.startedMs);
      else add(statistics.success, nowMs - prediction.startedMs);
      if (reply.isGone) this.#gone.delete(reply);
    }
  }
}
