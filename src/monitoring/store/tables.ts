import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';

export type Db = Kysely<AnyTables>;

export interface PredictionTable {
  id: string;
  endpoint: string;
  at: number;
  received_at: number;
  revision: string;
  arm: string;
  score: number;
  propensity: number;
  chosen_by: string | null;
  shadow_revision: string | null;
  shadow_score: number | null;
  shadow_error: string | null;
  fallback: string | null;
  /** 1 for an answer from a gateway's cache, otherwise null. */
  cached: number | null;
  /** Float32 values, little-endian; NaN is missing. */
  numeric_inputs: Uint8Array;
  categories: string;
  entities: string | null;
  latency_us: number;
  nodes: string | null;
  /** What a model of tensors got and answered, and how the other arm's answer differs from it. */
  tensors: string | null;
  rollout: string | null;
}

export interface ProgressTable {
  monitor: string;
  endpoint: string;
  window_ms: number;
  inputs_until: number;
  quality_until: number;
}

export interface WindowFigureTable {
  endpoint: string;
  monitor: string;
  window_start: number;
  window_ms: number;
  revision: string;
  metric: string;
  version: number;
  value: number | null;
  requests: number;
  labelled: number;
  at: number;
}

export interface DriftFigureTable {
  endpoint: string;
  monitor: string;
  window_start: number;
  feature: string;
  version: number;
  revision: string;
  value: number | null;
  threshold: number | null;
  requests: number;
  counts: string;
  at: number;
}

export interface SignalTable {
  monitor: string;
  alert: string;
  number: number;
  endpoint: string;
  metric: string;
  feature: string | null;
  state: string;
  at: number;
  value: number | null;
  threshold: number | null;
  windows: string;
  sentence: string;
}

interface Tables {
  readonly prediction: PredictionTable;
  readonly prediction_label: { prediction: string; value: number; at: number | null; known_at: number };
  readonly monitoring_watermark: { endpoint: string; at: number };
  readonly monitoring_progress: ProgressTable;
  readonly monitoring_reopened: { monitor: string; window_start: number; mark: number; by_predictions: number };
  readonly monitoring_rollout: { rollout: string; endpoint: string; blocks_until: number };
  readonly window_figure: WindowFigureTable;
  readonly drift_figure: DriftFigureTable;
  readonly monitoring_signal: SignalTable;
  readonly comparison_block: {
    rollout: string;
    start: number;
    endpoint: string;
    current_revision: string;
    candidate_revision: string;
    requests: number;
    loss_difference_sum: number;
    current_loss_sum: number;
    candidate_loss_sum: number;
    candidate_failures: number;
  };
}

/** The handle, narrowed to the tables of this domain. */
export function tables(db: Db): Kysely<Tables> {
  return db;
}

/** Cuts a list into parts, so that a statement stays under the number of parameters that SQLite takes. */
export function partsOf<T>(items: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let i = 0; i < items.length; i += size) parts.push(items.slice(i, i + size));
  return parts;
}
