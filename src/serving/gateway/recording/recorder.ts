import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Logger, Metrics } from '#platform/observe';
import type { SyncEventLog } from '#ports/event-log';
import {
  answeringRevision,
  armNameOf,
  type Prediction,
  propensityOf,
  rowFor,
  type ShadowResult,
  shadowArm,
} from '../prediction.ts';
import type { TensorWork } from '../tensor-prediction.ts';
import { RecordBudget } from '../tensors/recorded-tensor.ts';
import { type Appends, AppendsAtOnce, AppendsLater } from './appends.ts';
import type { Backlog } from './backlog.ts';
import { type ArmNames, armNames } from './entry-codec.ts';
import type { LogEntry, PredictionRecord } from './prediction-record.ts';

export interface RecorderOptions {
  readonly log: SyncEventLog;
  /** What is recorded and not sent. */
  readonly backlog: Backlog;
  readonly clock: Pick<Clock, 'monotonic' | 'after'>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Entries that may wait for the control plane; more are dropped and counted. */
  readonly queueMax: number;
  /** How long a prediction may wait for others to be written with it; 0 writes it before it is answered. */
  readonly delayMs: number;
  readonly onRecorded: () => void;
}

/**
 * Writes predictions to the local log: with a delay those of several turns together, after their answers and on another
 * thread; without it those of a turn in one write, before they are answered. When the log fails or is full, or its disk
 * stands still, they are dropped and counted, and answered all the same: a gateway that stops serving because it cannot
 * remember helps nobody.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #outcomes: ReturnType<Metrics['counter']>;
  readonly #standIns: ReturnType<Metrics['counter']>;
  readonly #appends: Appends;
  #failing = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#outcomes = options.metrics.counter('kedge_gateway_records_total', 'Predictions recorded or lost.', [
      'outcome',
    ]);
    this.#standIns = options.metrics.counter(
      'kedge_gateway_stand_ins_total',
      'Predictions that something answered in the place of the current revision.',
      ['by'],
    );
    const { log, clock, delayMs } = options;
    const appends = {
      log,
      onAppended: (entries: number) => this.#appended(entries),
      onFailed: (entries: number, error: unknown) => this.#failed(entries, error),
    };
    this.#appends = delayMs === 0 ? new AppendsAtOnce(appends) : new AppendsLater({ ...appends, delayMs, clock });
  }

  record(predictions: readonly Prediction[]): void {
    const answered = predictions.some(({ error }) => error) ? predictions.filter(({ error }) => !error) : predictions;
    const { queueMax, backlog, clock } = this.#options;
    const isFull = backlog.waiting + answered.length > queueMax || this.#appends.isFull;
    if (isFull) this.#outcomes.inc({ outcome: 'dropped' }, answered.length);
    else backlog.add(answered.length);
    const nowMs = clock.monotonic();
    for (const prediction of answered) {
      if (prediction.standIn) this.#standIns.inc({ by: prediction.standIn.by.by });
      if (!isFull) this.#add(prediction, nowMs);
    }
    this.#appends.turnEnds();
  }

  /** Not held to the limit of the queue: each belongs to a prediction that is in it and waits for this. */
  recordShadows(results: readonly ShadowResult[]): void {
    this.#options.backlog.add(results.length);
    for (const { prediction, shadow } of results) {
      this.#appends.encoder.add({ shadowOf: prediction.id, shadow });
      this.#appends.added();
    }
    this.#appends.turnEnds();
  }

  /** Resolves when all that was recorded so far is in the log. */
  flush(): Promise<void> {
    return this.#appends.flush();
  }

  #add(prediction: Prediction, nowMs: number): void {
    const { encoder } = this.#appends;
    const latencyUs = Math.round((nowMs - prediction.startedMs) * 1_000);
    if (!isPlain(prediction) || !encoder.addPlain(namesOf(prediction), prediction, latencyUs)) {
      encoder.add(entryOf(prediction, latencyUs));
    }
    this.#appends.added();
  }

  #appended(entries: number): void {
    this.#outcomes.inc({ outcome: 'recorded' }, entries);
    this.#failing = false;
    this.#options.onRecorded();
  }

  #failed(entries: number, error: unknown): void {
    const { backlog, logger } = this.#options;
    backlog.settle(entries);
    this.#outcomes.inc({ outcome: 'failed' }, entries);
    if (!this.#failing) logger.error({ err: error }, `predictions are not recorded: ${messageOf(error)}`);
    this.#failing = true;
  }
}

function recordedTensors({ feeds, outputs }: TensorWork): NonNullable<PredictionRecord['tensors']> {
  const budget = new RecordBudget();
  return { inputs: budget.keep(feeds), outputs: budget.keep(outputs) };
}

/** Whether it has nothing to be recorded that a group of the log has no place for; as most have nothing. */
function isPlain(prediction: Prediction): boolean {
  const { at, receivedAt, propensity, arm, candidate, endpoint, row, cached } = prediction;
  if (at !== receivedAt || propensity !== 1 || arm !== 'current' || candidate || cached) return false;
  if (endpoint.routed.rollout !== undefined || endpoint.candidate || row.categories.length > 0) return false;
  const { chosenBy, entities, standIn, fallback, nodes, tensors } = prediction;
  return chosenBy === undefined && !entities && !standIn && !fallback && !nodes && !tensors;
}

function namesOf({ endpoint, arm }: Prediction): ArmNames {
  return armNames(endpoint.routed.name, endpoint.current.arm.revision, arm);
}

function entryOf(prediction: Prediction, latencyUs: number): LogEntry {
  const { endpoint, id, at, receivedAt, arm, score, fallback, entities, chosenBy, standIn } = prediction;
  const revision = answeringRevision(prediction);
  const row = standIn?.by.arm
    ? standIn.by.rowOf(prediction.row)
    : arm === 'candidate' && prediction.candidateRow
      ? prediction.candidateRow
      : prediction.row;
  const { numeric, categories } = row instanceof Error ? prediction.row : row;
  const record: Mutable<PredictionRecord> = {
    id,
    endpoint: endpoint.routed.name,
    at,
    receivedAt,
    revision,
    arm: armNameOf(prediction),
    score,
    propensity: propensityOf(prediction),
    numeric,
    categories,
    latencyUs,
  };
  if (chosenBy !== undefined) record.chosenBy = chosenBy;
  if (standIn) {
    record.fallback = { ...standIn.failed, by: standIn.by.by };
  } else if (fallback) {
    record.fallback = fallback;
    record.shadow = { revision: fallback.revision, score: null, error: fallback.error };
  }
  if (prediction.cached) record.cached = true;
  if (entities) record.entities = entities;
  if (prediction.nodes) record.nodes = prediction.nodes;
  // An answer of neither arm belongs to no comparison of the two.
  if (!standIn && endpoint.routed.rollout !== undefined) record.rollout = endpoint.routed.rollout;
  if (prediction.tensors) record.tensors = recordedTensors(prediction.tensors);
  const beside = shadowArm(prediction);
  if (!beside) return { prediction: record };
  const besideRow = prediction.candidateRow && rowFor(prediction, beside);
  const other = besideRow && !(besideRow instanceof Error) ? { beside: besideRow } : {};
  return { prediction: record, awaits: beside.arm.revision, ...other };
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
