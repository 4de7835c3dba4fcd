import type { MetricsSnapshot } from '#platform/observe';
import type { SharedState } from '#ports/shared-state';
import type { Callback } from '../callbacks/callback.ts';
import type { WrittenAnswer } from '../http/open-inference/write-infer.ts';
import type { StatisticsData } from '../statistics.ts';

/** What one process of a gateway asks of all of them, itself included. */
export type Question =
  | { readonly ask: 'metrics' }
  | { readonly ask: 'statistics' }
  | { readonly ask: 'flush' }
  | { readonly ask: 'result'; readonly id: string }
  | { readonly ask: 'callback'; readonly id: string }
  | {
      readonly ask: 'load';
      readonly model: string;
      readonly config?: string | undefined;
      readonly files: ReadonlyMap<string, Uint8Array>;
    }
  | { readonly ask: 'unload'; readonly model: string };

/** What each process answers. */
export interface Answers {
  readonly metrics: MetricsSnapshot;
  readonly statistics: readonly StatisticsData[];
  /** How many predictions it sent. */
  readonly flush: number;
  readonly result: KeptResult;
  /** Null where it is not known. */
  readonly callback: Callback | null;
  readonly load: null;
  readonly unload: null;
}

export type KeptResult =
  | { readonly state: 'absent' }
  | { readonly state: 'in-work' }
  | { readonly state: 'done'; readonly answer: WrittenAnswer };

/** What a process that ended had counted, which its successor goes on from. */
export interface Inherited {
  readonly metrics: MetricsSnapshot;
  readonly statistics: readonly StatisticsData[];
}

export interface ProcessView {
  /** Its place, from 1. */
  readonly process: number;
  readonly pid: number | null;
  readonly state: 'starting' | 'serving';
  /** How often it was started. */
  readonly starts: number;
  readonly connections: number;
}

/** The processes that serve one address together, as one of them sees them. */
export interface Siblings {
  readonly place: number;
  readonly count: number;
  /** Where they are reached. */
  readonly url: string;
  readonly grpcAddress: string | undefined;
  readonly inherited: Inherited;
  /** Whether each of them has been able to answer. */
  readonly ready: boolean;
  /** Tells that this one has a routing table. */
  routed(): void;
  /**
   * The answers of all processes that run. What ended ones had counted is among the answers about counts. Rejects with
   * what one of them rejects with.
   */
  ask<Name extends keyof Answers>(question: Extract<Question, { ask: Name }>): Promise<readonly Answers[Name][]>;
  processes(): Promise<readonly ProcessView[]>;
  /** Tells that a connection that was handed to this process is over. */
  closed(protocol: Protocol): void;
  /** Counts for all of them. */
  readonly counts: Pick<SharedState, 'takeTokens'>;
}

export type Protocol = 'http' | 'grpc';
