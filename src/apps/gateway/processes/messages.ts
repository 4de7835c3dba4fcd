import { defineErrors, KedgeError } from '#core/errors';
import type { TokenOutcome, TokenTake } from '#ports/shared-state';
import type { Answers, Inherited, ProcessView, Protocol, Question } from '#serving';
import type { ReadyMessage } from '../../process.ts';

export const processErrors = defineErrors('gateway-process', {
  alone: { status: 503, title: 'The processes of the gateway cannot be asked' },
  ended: { status: 503, title: 'A process of the gateway ended before it answered' },
});

/** What the process that listens tells those that serve. */
export type ToProcess =
  | ({ readonly type: 'begin' } & Begin)
  /** Comes with the connection itself. */
  | { readonly type: 'connection'; readonly id: number; readonly protocol: Protocol }
  | { readonly type: 'question'; readonly id: number; readonly question: Question }
  | { readonly type: 'answers'; readonly id: number; readonly answers: readonly Answers[Question['ask']][] }
  | { readonly type: 'processes'; readonly id: number; readonly processes: readonly ProcessView[] }
  | { readonly type: 'tokens'; readonly id: number; readonly outcome: TokenOutcome }
  | { readonly type: 'failed'; readonly id: number; readonly error: ToldError }
  | { readonly type: 'all-ready' }
  | { readonly type: 'give-up'; readonly connections: number };

export interface Begin {
  readonly place: number;
  readonly count: number;
  readonly url: string;
  readonly grpcAddress: string;
  readonly inherited: Inherited;
  /** What clients had loaded and unloaded before this process was started, in that order. */
  readonly replay: readonly Question[];
}

/** What they tell it. */
export type FromProcess =
  | ReadyMessage
  /** It has a routing table. */
  | { readonly type: 'routed' }
  | { readonly type: 'taken'; readonly id: number }
  | { readonly type: 'closed'; readonly protocol: Protocol }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }
  | { readonly type: 'answer'; readonly id: number; readonly answer: Answers[Question['ask']] }
  | { readonly type: 'no-answer'; readonly id: number; readonly error: ToldError }
  | { readonly type: 'list'; readonly id: number }
  | { readonly type: 'take'; readonly id: number; readonly takes: readonly TokenTake[] };

/** An expected failure as it travels; of a bug only its message does. */
export interface ToldError {
  readonly code?: string;
  readonly status: number;
  readonly title: string;
  readonly message: string;
  readonly fields: KedgeError['fields'];
}

export function toldError(thrown: unknown): ToldError {
  if (thrown instanceof KedgeError) {
    const { code, status, title, message, fields } = thrown;
    return { code, status, title, message, fields };
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { status: 500, title: '', message, fields: [] };
}

export function errorTold({ code, message, fields, ...definition }: ToldError): Error {
  return code === undefined ? new Error(message) : new KedgeError(code, definition, message, fields);
}
