import type { QueueWish } from './batching/batch-policy.ts';
import type { Place } from './batching/waiting-requests.ts';
import type { LiveArm, LiveEndpoint, LiveRival } from './live-endpoint.ts';
import type { StandIn } from './protection/fallback/stand-ins.ts';
import type { CircuitBreaker } from './protection/load/circuit-breaker.ts';
import type { Row } from './read-instance.ts';
import type { ShadowScore } from './recording/prediction-record.ts';
import type { NodeRun } from './runtime/model-runtime.ts';
import type { TensorWork } from './tensor-prediction.ts';
import type { WatchedRequest } from './watch/request-watch.ts';

/** One prediction on its way through the scorer. */
export interface Prediction {
  readonly endpoint: LiveEndpoint;
  /** What it is about beside the current revision: the candidate, or of several the one that was drawn, if one was. */
  readonly candidate: LiveRival | undefined;
  readonly id: string;
  readonly at: number;
  readonly receivedAt: number;
  /** Monotonic milliseconds. */
  readonly startedMs: number;
  readonly entities: Readonly<Record<string, string>> | undefined;
  readonly row: Row;
  /** The row of the candidate, when it is not the same, or why there is none. */
  readonly candidateRow: Row | Error | undefined;
  readonly reply: Reply;
  /** The request or a flag said which arm is to answer: it belongs to no sample. */
  readonly named: boolean;
  /** Who named it: `request`, `key:<name>` of a header, or `flag:<name>`. */
  readonly chosenBy: string | undefined;
  /** The probability with which its arm was drawn, whoever answers in the end; 1 where it was named. */
  readonly propensity: number;
  /** The arm that is to answer; becomes `current` when the candidate falls back. */
  arm: 'current' | 'candidate';
  score: number;
  error: Error | undefined;
  fallback: { readonly revision: string; readonly error: string } | undefined;
  /** What answers in the place of the current revision, and why that could not. */
  standIn: StoodIn | undefined;
  /** Answered from memory: no model was asked. */
  cached: boolean;
  /** Of an endpoint that is called by tensors, whose rows are empty. */
  readonly tensors?: TensorWork | undefined;
  /** What the nodes of a graph did in the run that answered. */
  nodes: readonly NodeRun[] | undefined;
  /** What is to answer it at this moment. */
  work: Work | undefined;
}

/** What one arm is to make of one prediction: its answer, or a score beside the answer. */
export interface Work {
  readonly prediction: Prediction;
  readonly arm: LiveArm;
  readonly purpose: 'answer' | 'shadow';
  readonly queuedMs: number;
  settled: boolean;
  /** It is at its model, which cannot give it back. */
  isRunning: boolean;
  cancelTimer: (() => void) | undefined;
  /** Learns how it ends. */
  breaker?: CircuitBreaker;
}

export interface StoodIn {
  readonly by: StandIn;
  /** Its place among the stand-ins of the endpoint. */
  readonly place: number;
  readonly failed: { readonly revision: string; readonly error: string };
}

/** The request behind one or more predictions. `finish` is called once, when all of them are answered and recorded. */
export interface Reply {
  waiting: number;
  readonly predictions: Prediction[];
  /** Of a gateway that watches requests: learns when models ran for it. */
  readonly watched?: WatchedRequest | undefined;
  finish(predictions: readonly Prediction[]): void;
  readonly wish: QueueWish | undefined;
  /** Absent where nobody can leave, as when the answer is kept for the client. */
  readonly onGone: OnGone | undefined;
  /** Among the requests that wait, where the endpoint declares how. */
  place: Place | undefined;
  /** The client has left: what it would have been answered is recorded nowhere. */
  isGone: boolean;
  /** It is listened to whether the client leaves. */
  isHeard: boolean;
}

export function replyTo({
  waiting,
  finish,
  wish,
  onGone,
  watched,
}: Pick<Reply, 'waiting' | 'finish'> & Partial<Pick<Reply, 'wish' | 'onGone' | 'watched'>>): Reply {
  // A list that grows makes room for more than a request has as a rule.
  const predictions = new Array<Prediction>(waiting);
  return { waiting, predictions, finish, wish, onGone, watched, place: undefined, isGone: false, isHeard: false };
}

/** Calls `listener` once when the client has left before it was answered: at once if that was so already. */
export type OnGone = (listener: () => void) => void;

/** The revision that answered: a stand-in that is no model has the name of its kind. */
export function answeringRevision(prediction: Prediction): string {
  return prediction.standIn?.by.revision ?? answeringArm(prediction).arm.revision;
}

/** The arm that answers, or answered; the current revision where what answered is no model. */
export function answeringArm(prediction: Prediction): LiveArm {
  const { endpoint, candidate, arm, standIn } = prediction;
  if (standIn) return standIn.by.arm ?? endpoint.current;
  return arm === 'candidate' && candidate ? candidate : endpoint.current;
}

/** The arm as it is recorded and told: `current`, `candidate`, or of several the name. */
export function armNameOf({ arm, candidate }: Pick<Prediction, 'arm' | 'candidate'>): string {
  return arm === 'candidate' && candidate ? candidate.name : arm;
}

/**
 * The arm that is scored beside the answer: the other one of a rollout, unless it failed to answer just now. None of
 * several candidates is.
 */
export function shadowArm(prediction: Prediction): LiveArm | undefined {
  const { endpoint, arm, fallback, standIn } = prediction;
  if (!endpoint.candidate || fallback || standIn) return undefined;
  return arm === 'candidate' ? endpoint.current : endpoint.candidate;
}

/** The row as `arm` takes it, or why it cannot be made from the request. */
export function rowFor(prediction: Prediction, arm: LiveArm): Row | Error {
  const by = prediction.standIn?.by;
  if (by?.arm === arm) return by.rowOf(prediction.row);
  return arm === prediction.endpoint.current ? prediction.row : (prediction.candidateRow ?? prediction.row);
}

/** The probability with which the answering arm was drawn. */
export function propensityOf({ propensity, standIn }: Prediction): number {
  return standIn ? 1 : propensity;
}

export interface ShadowResult {
  readonly prediction: Prediction;
  readonly shadow: ShadowScore;
}
