import type { Clock } from '#core/clock';
import type { Trip } from './guardrail.ts';
import type { LiveEndpoint } from './live-endpoint.ts';
import type { Prediction, ShadowResult, Work } from './prediction.ts';
import type { Row } from './read-instance.ts';
import type { ModelCache } from './runtime/model-cache.ts';
import type { StatisticsBook } from './statistics.ts';
import type { TensorScoring } from './tensor-prediction.ts';

export interface ScorerOptions {
  readonly cache: ModelCache;
  readonly clock: Clock;
  readonly statistics: StatisticsBook;
  readonly tensors: TensorScoring;
  /** Processes of this gateway, of which each bears its part of the requests that may wait; 1 unless told. */
  readonly processes?: number | undefined;
  /** The longest time that any prediction may take, whatever its endpoint says. */
  readonly timeoutMsMax: number;
  /** Writes answered predictions down. Called before their answers are released. Must not throw. */
  readonly record: (predictions: readonly Prediction[]) => void;
  readonly recordShadows: (results: readonly ShadowResult[]) => void;
  /** The guardrail of a candidate tripped. May be called again by what was already in work. */
  readonly onTrip: (endpoint: LiveEndpoint, trip: Trip) => void;
}

export interface Item extends Work {
  readonly row: Row;
}

export type Queues = Map<string, Item[]>;
