import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Logger, Metrics } from '#platform/observe';
import { APPEND_RECORDS_MAX, type SyncEventLog } from '#ports/event-log';
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
import type { Backlog } from './backlog.ts';
import { type ArmNames, armNames, EntryEncoder } from './entry-codec.ts';
import type { LogEntry, PredictionRecord } from './prediction-record.ts';

/** Past this an append is made at once, so that none grows with what one turn has to record. */
const APPEND_BYTES = 256 * 1024;

export interface RecorderOptions {
  readonly log: SyncEventLog;
  /** What is in the log and not sent. */
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
 * Writes predictions to the local log: as a rule those of a turn in one write, before they are answered; with a delay
 * those of several turns, after it. When the log fails or is full, they are dropped and counted, and answered all the
 * same: a gateway that stops serving because it cannot remember helps nobody.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #outcomes: ReturnType<Metrics['counter']>;
  readonly #standIns: ReturnType<Metrics['counter']>;
  readonly #encoder = new EntryEncoder();
  #failing = false;
  #cancelDelay: (() => void) | undefined;

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
  }

  record(predictions: readonly Prediction[]): void {
    const answered = predictions.some(({ error }) => error) ? predictions.filter(({ error }) => !error) : predictions;
    const { queueMax, backlog, clock } = this.#options;
    const isFull = backlog.waiting + this.#encoder.entries + answered.length > queueMax;
    const nowMs = clock.monotonic();
    for (const prediction of answered) {
      if (prediction.standIn) this.#standIns.inc({ by: prediction.standIn.by.by });
      if (!isFull) this.#addPrediction(prediction, nowMs);
    }
    if (isFull) this.#outcomes.inc({ outcome: 'dropped' }, answered.length);
    this.#appendInTime();
  }

  /** Not held to the limit of the queue: each belongs to a prediction that is in it and waits for this. */
  recordShadows(results: readonly ShadowResult[]): void {
    for (const { prediction, shadow } of results) {
      this.#encoder.add({ shadowOf: prediction.id, shadow });
      this.#appendLarge();
    }
    this.#appendInTime();
  }

  /** Writes what waits for its delay. */
  flush(): void {
    this.#append();
  }

  #appendInTime(): void {
    const { delayMs, clock } = this.#options;
    if (delayMs === 0) this.#append();
    else if (this.#encoder.entries > 0) this.#cancelDelay ??= clock.after(delayMs, () => this.#append());
  }

  #addPrediction(prediction: Prediction, nowMs: number): void {
    const latencyUs = Math.round((nowMs - prediction.startedMs) * 1_000);
    if (!isPlain(prediction) || !this.#encoder.addPlain(namesOf(prediction), prediction, latencyUs)) {
      this.#encoder.add(entryOf(prediction, latencyUs));
    }
    this.#appendLarge();
  }

  #appendLarge(): void {
    if (this.#encoder.bytes > APPEND_BYTES || this.#encoder.records === APPEND_RECORDS_MAX) this.#append();
  }

  /** Appends what was added. */
  #append(): void {
    this.#cancelDelay?.();
    this.#cancelDelay = undefined;
    const { entries } = this.#encoder;
    if (entries === 0) return;
    const { log, backlog, logger, onRecorded } = this.#options;
    try {
      log.appendPackedSync(this.#encoder.packed);
      backlog.add(entries);
      this.#outcomes.inc({ outcome: 'recorded' }, entries);
      this.#failing = false;
      onRecorded();
    } catch (error) {
      this.#outcomes.inc({ outcome: 'failed' }, entries);
      if (!this.#failing) logger.error({ err: error }, `predictions are not recorded: ${messageOf(error)}`);
      this.#failing = true;
    } finally {
      this.#encoder.clear();
    }
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
