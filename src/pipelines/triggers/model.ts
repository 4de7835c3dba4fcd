import type { Cause } from '#core/cause';
import type { Json } from '#core/json';
import { durationMs } from '#core/units';
import { valueAt } from '../conditions.ts';
import type { TriggerSpec } from './spec.ts';

/** What a trigger remembers. Times are epoch milliseconds. */
export interface TriggerState {
  /** What waits for its debounce, for a freeze or for the rate. */
  readonly pending: {
    readonly since: number;
    readonly dueAt: number;
    readonly cause: Cause;
    readonly event: Json;
    /** What was told to hold it, once. */
    readonly told: string | null;
  } | null;
  /** Times of past starts, oldest first, as far back as the rate looks. */
  readonly started: readonly number[];
}

export const initialTriggerState: TriggerState = { pending: null, started: [] };

export type TriggerFact =
  | { readonly kind: 'event'; readonly now: number; readonly cause: Cause; readonly event: Json }
  | {
      readonly kind: 'time';
      readonly now: number;
      /** The freeze that holds the pipeline now. */
      readonly frozen?: { readonly until: number; readonly reason: string } | undefined;
    };

export type TriggerOutcome =
  | { readonly outcome: 'start'; readonly cause: Cause; readonly event: Json; readonly at: number }
  | { readonly outcome: 'frozen' | 'limited' | 'loop'; readonly reason: string };

/** Events that go on and on put a start off at most so many times its debounce. */
const DEBOUNCES_MAX = 10;

/**
 * Decides what a trigger does about a fact. Pure. An event waits for its debounce; `time` starts what is due, unless a
 * freeze or the rate holds it, which is told once for each event. An event that lies too many automatic steps from a
 * person starts nothing.
 */
export function decideTrigger(
  { name, spec }: { readonly name: string; readonly spec: TriggerSpec },
  state: TriggerState,
  fact: TriggerFact,
): { readonly state: TriggerState; readonly outcome: TriggerOutcome | null } {
  const { now } = fact;
  if (fact.kind === 'event') {
    const { depth } = fact.cause;
    if (depth + 1 > spec.depthMax) {
      const reason = `the event is ${depth} automatic steps away from a person, the limit is ${spec.depthMax}`;
      return { state, outcome: { outcome: 'loop', reason } };
    }
    const wait = durationMs(spec.debounce);
    const since = state.pending?.since ?? now;
    const dueAt = Math.max(now, Math.min(now + wait, since + DEBOUNCES_MAX * wait));
    return {
      state: { ...state, pending: { since, dueAt, cause: fact.cause, event: fact.event, told: null } },
      outcome: null,
    };
  }
  const { pending } = state;
  if (!pending || pending.dueAt > now) return { state, outcome: null };
  if (fact.frozen) return hold(state, { outcome: 'frozen', ...fact.frozen });
  const span = durationMs(spec.rate.per);
  const recent = state.started.filter((at) => at > now - span);
  if (recent.length >= spec.rate.runs) {
    const reason = `${recent.length} runs were started within ${spec.rate.per}, no more are allowed`;
    return hold(state, { outcome: 'limited', reason, until: (recent[0] ?? now) + span });
  }
  const cause: Cause = { kind: 'event', id: `trigger/${name}`, depth: pending.cause.depth + 1, at: now };
  return {
    state: { pending: null, started: [...recent, now] },
    outcome: { outcome: 'start', cause, event: pending.event, at: now },
  };
}

function hold(
  state: TriggerState,
  held: { readonly outcome: 'frozen' | 'limited'; readonly reason: string; readonly until: number },
): { readonly state: TriggerState; readonly outcome: TriggerOutcome | null } {
  const isTold = state.pending?.told === held.outcome;
  const pending = state.pending && { ...state.pending, dueAt: held.until, told: held.outcome };
  return { state: { ...state, pending }, outcome: isTold ? null : { outcome: held.outcome, reason: held.reason } };
}

/** The parameters of the run that an event starts. What an event does not have becomes an empty text. */
export function triggerParams(
  spec: TriggerSpec,
  { event, at }: { readonly event: Json; readonly at: number },
): Record<string, string | number | boolean> {
  const read = (path: string): string | number | boolean => {
    const found = valueAt(event, path.split('.'));
    if (found === undefined || found === null) return '';
    return typeof found === 'object' ? JSON.stringify(found) : found;
  };
  const filled = (text: string): string | number | boolean => {
    // A text that is one reference becomes the value itself, so that numbers stay numbers.
    const whole = /^\$\{event\.([A-Za-z0-9_.-]+)\}$/.exec(text);
    if (whole) return read(whole[1] ?? '');
    return text
      .replaceAll('${at}', new Date(at).toISOString())
      .replaceAll(/\$\{event\.([A-Za-z0-9_.-]+)\}/g, (_, path: string) => String(read(path)));
  };
  return Object.fromEntries(
    Object.entries(spec.params).map(([name, value]) => [name, typeof value === 'string' ? filled(value) : value]),
  );
}

/** The fields of events that parameters are filled from, each with the name of its parameter. */
export function eventPathsOf(params: TriggerSpec['params']): { readonly param: string; readonly path: string }[] {
  return Object.entries(params).flatMap(([param, value]) =>
    typeof value !== 'string'
      ? []
      : [...value.matchAll(/\$\{event\.([A-Za-z0-9_.-]+)\}/g)].map(([, path = '']) => ({ param, path })),
  );
}
