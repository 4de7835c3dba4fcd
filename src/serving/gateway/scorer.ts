import { messageOf } from '#core/errors';
import { AnswerRelease } from './answer-release.ts';
import type { BatchPolicy } from './batching/batch-policy.ts';
import { WaitingRequests } from './batching/waiting-requests.ts';
import { countRun } from './count-run.ts';
import { cancelled, gatewayErrors, isCancellation, later } from './errors.ts';
import type { LiveArm } from './live-endpoint.ts';
import { answeringArm, type Prediction, type Reply, rowFor, shadowArm, type Work } from './prediction.ts';
import { RowRuns } from './row-runs.ts';
import type { Item, Queues, ScorerOptions } from './scorer-work.ts';
import { addFailure } from './statistics.ts';
import { answerOfTensors, scoreOf, type TensorAnswer } from './tensor-prediction.ts';
import { compareTensors } from './tensors/compare.ts';
import { atEndOfTurn } from './turn.ts';

/** Scores beside answers that may be in work at once; past it a model is too slow to keep up, and they fail. */
const SHADOWS_MAX = 5_000;

/** Of an error as it is recorded: native runtimes can be long-winded. */
const ERROR_LENGTH_MAX = 500;

/**
 * Scores predictions. All that arrive in one turn ({@link atEndOfTurn}) are joined into one run per model.
 *
 * 1. An answer is released after its prediction was recorded, together with all others that are ready in that turn.
 * 2. The arm that does not answer is scored after the answers have left, and never delays or fails them.
 * 3. A candidate that fails or is late is replaced by the current revision; a current revision that does is an error.
 * 4. A row that makes its batch fail does not take the others with it: the batch is run again row by row.
 * 5. A model that does not answer at once works on as many runs as its runtime takes, one in a thread. What times out
 *    before its turn is never run.
 */
export class Scorer {
  readonly #options: ScorerOptions;
  #answers: Queues = new Map();
  #beside: Queues = new Map();
  #answersScheduled = false;
  #besideScheduled = false;
  readonly #made: AnswerRelease;
  readonly #runs: RowRuns;
  readonly #requests: WaitingRequests;

  constructor(options: ScorerOptions) {
    this.#options = options;
    this.#requests = new WaitingRequests(options.processes);
    this.#made = new AnswerRelease(options);
    this.#runs = new RowRuns({
      cache: options.cache,
      clock: options.clock,
      scored: (items, scores, startedMs) => this.#settleAll(items, scores, startedMs),
      fail: (item, error) => this.#fail(item, error),
      waits: (item) => this.#waits(item),
      afterRun: () => this.#release(),
    });
  }

  /** Predictions that wait for their answer. */
  get inWork(): number {
    return this.#made.open.answer;
  }

  /** Takes the predictions of a request on. Their reply is finished in a later turn. Errors: `gateway/queue-full`. */
  submit(predictions: readonly Prediction[]): void {
    const [first] = predictions;
    if (first?.endpoint.batching) this.#enterQueue(predictions, first, first.endpoint.batching);
    const queuedMs = this.#options.clock.monotonic();
    for (const prediction of predictions) {
      if (prediction.cached) this.#answerAsIs(prediction);
      else this.#enqueue(prediction, answeringArm(prediction), 'answer', queuedMs);
    }
  }

  /** Takes on predictions of a process that is gone, for the score beside the answer; tells their ids. */
  submitBeside(predictions: readonly Prediction[]): string[] {
    for (const prediction of predictions) {
      const arm = shadowArm(prediction);
      if (arm) this.#enqueue(prediction, arm, 'shadow');
    }
    return predictions.map(({ id }) => id);
  }

  /** From now on nothing waits for others to join its run: the gateway closes. */
  hurry(): void {
    this.#runs.hurry();
  }

  /** Resolves when nothing is in work: every answer is released and every score beside it recorded. */
  drained(): Promise<void> {
    return this.#made.drained();
  }

  #answerAsIs(prediction: Prediction): void {
    this.#made.open.answer += 1;
    this.#schedule('answer');
    this.#made.answered(prediction);
  }

  /** Gives a request its place among those that wait for the endpoint, or refuses it as a whole. */
  #enterQueue(predictions: readonly Prediction[], first: Prediction, policy: BatchPolicy): void {
    const { reply, endpoint } = first;
    if (predictions.every(({ cached }) => cached)) return;
    const { name } = endpoint.routed;
    const counted = this.#options.statistics.ofArm(endpoint.current, name);
    try {
      reply.place = this.#requests.enter(name, policy, { wish: reply.wish, counted });
    } catch (error) {
      addFailure(counted, error, 0);
      throw error;
    }
  }

  #enqueue(
    prediction: Prediction,
    arm: LiveArm,
    purpose: Work['purpose'],
    queuedMs = this.#options.clock.monotonic(),
  ): void {
    const row = rowFor(prediction, arm);
    const item: Item = {
      prediction,
      arm,
      purpose,
      row: row instanceof Error ? prediction.row : row,
      queuedMs,
      settled: false,
      isRunning: false,
      cancelTimer: undefined,
    };
    if (purpose === 'answer') prediction.work = item;
    this.#made.open[purpose] += 1;
    this.#schedule(purpose);
    if (purpose === 'answer' && prediction.endpoint.protection && !this.#mayAsk(item)) return;
    if (row instanceof Error) {
      this.#fail(item, row);
    } else if (purpose === 'shadow' && this.#made.open.shadow > SHADOWS_MAX) {
      this.#fail(item, new Error(`more than ${SHADOWS_MAX} scores are waiting for the model`));
    } else if (prediction.tensors ?? arm.tensors) {
      this.#inferTensors(item);
    } else {
      this.#join(item);
    }
  }

  /** Has a row wait for the end of the turn, or as its endpoint declares. */
  #join(item: Item): void {
    const { arm, purpose, prediction } = item;
    const { batching, routed } = prediction.endpoint;
    const place = batching && purpose === 'answer' ? prediction.reply.place : undefined;
    if (batching && place) {
      this.#runs.join(item, { name: routed.name, model: arm.file.key, policy: batching }, place);
      return;
    }
    const queues = purpose === 'answer' ? this.#answers : this.#beside;
    const key = batching ? `${arm.file.key}\n${routed.name}` : arm.file.key;
    const queue = queues.get(key);
    if (queue) queue.push(item);
    else queues.set(key, [item]);
  }

  /** False for a revision whose breaker is open: the work has failed then. A candidate has its guardrail instead. */
  #mayAsk(work: Work): boolean {
    const { prediction, arm, queuedMs } = work;
    const breaker = prediction.endpoint.protection?.breakerOf(arm);
    if (!breaker || arm === prediction.candidate) return true;
    if (breaker.allows(queuedMs)) {
      work.breaker = breaker;
      return true;
    }
    const detail = `${arm.arm.revision} has failed too often of late`;
    this.#fail(work, later(gatewayErrors['circuit-open'](detail), breaker.waitMs(queuedMs)));
    return false;
  }

  /** Has the next stand-in answer for the current revision, which could not. False when there is none left. */
  #standIn({ prediction, arm }: Work, message: string): boolean {
    const { endpoint, standIn } = prediction;
    const place = (standIn?.place ?? -1) + 1;
    const by = endpoint.standIns?.[place];
    if (!by) return false;
    const failed = standIn?.failed ?? { revision: arm.arm.revision, error: message };
    prediction.standIn = { by, place, failed };
    if (by.arm) {
      this.#made.open.answer -= 1;
      this.#enqueue(prediction, by.arm, 'answer');
    } else {
      prediction.score = by.scoreOf(prediction.row);
      this.#made.answered(prediction);
    }
    return true;
  }

  #schedule(purpose: Work['purpose']): void {
    if (purpose === 'answer') {
      if (!this.#answersScheduled) atEndOfTurn({ arrived: () => this.inWork, end: () => this.#answerTurn() });
      this.#answersScheduled = true;
    } else {
      if (!this.#besideScheduled) setImmediate(() => this.#besideTurn());
      this.#besideScheduled = true;
    }
  }

  #answerTurn(): void {
    this.#answersScheduled = false;
    const queues = this.#answers;
    this.#answers = new Map();
    for (const items of queues.values()) this.#runs.runAll(items);
    this.#runs.turn();
    this.#release();
  }

  #besideTurn(): void {
    this.#besideScheduled = false;
    const queues = this.#beside;
    this.#beside = new Map();
    for (const items of queues.values()) this.#runs.runAll(items);
    this.#release();
  }

  /** Models of tensors are run, and joined with other requests of the turn, by the scorer of tensors. */
  #inferTensors(item: Item): void {
    const { prediction } = item;
    this.#startTimer(item);
    item.isRunning = true;
    answerOfTensors(this.#options.tensors, prediction, item).then(
      (answer) => {
        if (!item.settled) this.#settleTensors(item, answer);
        this.#release();
      },
      (error) => {
        if (isCancellation(error)) this.#leave(prediction.reply, [item]);
        else if (!item.settled) this.#fail(item, error);
        this.#release();
      },
    );
  }

  #settleTensors(item: Item, { outputs, nodes }: TensorAnswer): void {
    const { prediction, purpose, arm } = item;
    this.#settled(item, this.#options.clock.monotonic());
    const score = scoreOf(outputs);
    if (purpose === 'answer') {
      prediction.score = score;
      if (prediction.tensors) prediction.tensors.outputs = outputs;
      prediction.nodes = nodes;
      this.#made.answered(prediction);
      return;
    }
    const difference = compareTensors(prediction.tensors?.outputs ?? [], outputs);
    this.#made.scoredBeside({ prediction, shadow: { revision: arm.arm.revision, score, difference } });
    prediction.endpoint.observer?.compared(prediction, { difference, score });
  }

  #settleAll(items: readonly Item[], scores: Float32Array, startedMs: number): void {
    const nowMs = this.#options.clock.monotonic();
    const { statistics, clock } = this.#options;
    countRun(statistics, items, { startedMs, inferMs: nowMs - startedMs, now: clock.now() });
    for (let i = 0; i < items.length; i++) {
      const item = items[i] as Item;
      const score = scores[i] as number;
      if (item.settled) continue;
      if (!Number.isFinite(score)) {
        this.#fail(item, new Error(`the model answered ${score}`));
        continue;
      }
      this.#settled(item, nowMs);
      if (item.purpose === 'answer') {
        item.prediction.score = score;
        this.#made.answered(item.prediction);
      } else {
        this.#made.scoredBeside({ prediction: item.prediction, shadow: { revision: item.arm.arm.revision, score } });
        item.prediction.endpoint.observer?.paired(item.prediction, score);
      }
    }
  }

  #fail(work: Work, error: unknown): void {
    const { prediction, purpose, arm } = work;
    const { revision } = arm.arm;
    const message = messageOf(error).slice(0, ERROR_LENGTH_MAX);
    this.#settled(work, this.#options.clock.monotonic(), message);
    if (purpose === 'shadow') {
      this.#made.scoredBeside({ prediction, shadow: { revision, score: null, error: message } });
    } else if (prediction.reply.isGone) {
      // Nobody waits for what would answer in its place.
      prediction.error = cancelled();
      this.#made.answered(prediction);
    } else if (prediction.arm === 'candidate') {
      prediction.arm = 'current';
      prediction.fallback = { revision, error: message };
      this.#made.open.answer -= 1;
      this.#enqueue(prediction, prediction.endpoint.current, 'answer');
    } else if (!this.#standIn(work, message)) {
      prediction.standIn = undefined;
      const known = error instanceof Error && 'code' in error;
      prediction.error = known ? error : gatewayErrors['model-failed'](`${revision}: ${message}`);
      this.#made.answered(prediction);
    }
  }

  /** Marks the work done and counts it for the guardrail if it was the candidate's. */
  #settled(work: Work, nowMs: number, error?: string): void {
    work.settled = true;
    work.cancelTimer?.();
    work.breaker?.observe(error === undefined, nowMs);
    const { endpoint, candidate, standIn } = work.prediction;
    if (!endpoint.observer || standIn) return;
    const latencyMs = nowMs - work.queuedMs;
    const byCandidate = work.arm === candidate;
    endpoint.observer.scored(work.prediction, byCandidate ? 'candidate' : 'current', { error, latencyMs });
    if (!byCandidate) return;
    const trip = candidate.guardrail.observe(error, latencyMs, nowMs);
    if (trip) this.#options.onTrip(endpoint, endpoint.arms ? { ...trip, arm: candidate.name } : trip);
  }

  /** The row is not answered in this turn: it may be late, or its client may leave meanwhile. */
  #waits(item: Item): void {
    this.#startTimer(item);
    const { reply } = item.prediction;
    if (item.purpose === 'shadow' || reply.isHeard || !reply.onGone) return;
    reply.isHeard = true;
    reply.onGone(() => {
      this.#leave(
        reply,
        reply.predictions.flatMap(({ work }) => (work && !work.isRunning ? [work] : [])),
      );
      this.#release();
    });
  }

  /** The client has left: what has not begun is taken out, and what has is finished and recorded nowhere. */
  #leave(reply: Reply, works: readonly Work[]): void {
    if (reply.waiting <= 0) return;
    this.#made.leave(reply);
    for (const work of works) {
      if (work.settled) continue;
      this.#takeOut(work);
      work.settled = true;
      work.cancelTimer?.();
      work.prediction.error = cancelled();
      this.#made.answered(work.prediction);
    }
  }

  #takeOut(work: Work): void {
    if (this.#runs.remove(work)) return;
    const queue: Work[] | undefined = this.#answers.get(work.arm.file.key);
    const place = queue?.indexOf(work) ?? -1;
    if (place >= 0) queue?.splice(place, 1);
  }

  #startTimer(item: Item): void {
    if (item.cancelTimer) return;
    const timeoutMs = Math.min(item.prediction.endpoint.routed.timeoutMs, this.#options.timeoutMsMax);
    item.cancelTimer = this.#options.clock.after(timeoutMs, () => {
      if (item.settled) return;
      this.#takeOut(item);
      this.#fail(item, gatewayErrors.timeout(`${item.arm.arm.revision} did not answer within ${timeoutMs} ms`));
      this.#release();
    });
  }

  #release(): void {
    this.#made.release(this.#scoreBeside);
  }

  readonly #scoreBeside = (answered: readonly Prediction[]): void => {
    for (const prediction of answered) {
      const arm = prediction.error ? undefined : shadowArm(prediction);
      if (arm) this.#enqueue(prediction, arm, 'shadow');
    }
  };
}
