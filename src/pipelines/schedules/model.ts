import { durationMs } from '#core/units';
import { parseCron } from './cron.ts';
import type { FreezeSpec, ScheduleSpec } from './spec.ts';
import { lastTicks, ticksAfter } from './ticks.ts';
import { offsetAt } from './zone.ts';

/** What a schedule remembers. */
export interface ScheduleState {
  /** The newest tick that was decided, or the time from which ticks count; epoch milliseconds. */
  readonly cursorAt: number;
  readonly pausedAt: number | null;
}

export interface DueTick {
  readonly at: number;
  /** The tick before it; itself when there is none. */
  readonly previousAt: number;
}

/** What a look at the clock means for a schedule. */
export interface TickDecision {
  /** Ticks that start a run now, oldest first. */
  readonly due: readonly DueTick[];
  /** Ticks that start none because nobody was there for them: the newest, and how many (at most {@link COUNT_MAX}). */
  readonly missed: { readonly at: number; readonly count: number } | null;
  /** The cursor after this decision. Never before the one that it was made with. */
  readonly cursorAt: number;
  /** When there is something to decide again; null for an expression that does not come any more. */
  readonly nextAt: number | null;
}

/** Ticks that are counted as missed; further ones are not counted. */
export const COUNT_MAX = 1_000;
/** Ticks that one decision starts runs for. Further ones are due at the next look. */
const BATCH_MAX = 20;

/**
 * Decides which ticks of a schedule start a run at `now`. Pure. A tick is decided once: only ticks after the cursor are
 * considered and the cursor moves past what was decided, so a clock that is put back repeats nothing, and one that is
 * put forward finds the ticks in between due at once, on time or missed as {@link ScheduleSpec.lateAfter} says.
 */
export function decideTicks(spec: ScheduleSpec, state: ScheduleState, now: number): TickDecision {
  const cron = parseCron(spec.cron);
  const next = (after: number): number | null => ticksAfter(cron, spec.timeZone, after, 1)[0] ?? null;
  const last = (after: number, until: number, count: number): number[] =>
    lastTicks(cron, spec.timeZone, { after, until, count });
  if (state.pausedAt !== null || now <= state.cursorAt) {
    return { due: [], missed: null, cursorAt: state.cursorAt, nextAt: next(state.cursorAt) };
  }
  const onTimeFrom = Math.max(state.cursorAt, now - durationMs(spec.lateAfter) - 1);
  const onTime = last(onTimeFrom, now, COUNT_MAX);
  const made = Math.max(onTime.length, caughtUp(spec));
  const all = made > onTime.length ? last(state.cursorAt, now, made) : onTime;
  const due = all.slice(0, BATCH_MAX);
  const before = last(state.cursorAt, (due[0] ?? now + 1) - 1, COUNT_MAX);
  const missed = before.length > 0 ? { at: before.at(-1) as number, count: before.length } : null;
  const cursorAt = due.at(-1) ?? missed?.at ?? state.cursorAt;
  return { due: due.map((at) => ({ at, previousAt: previousOf(spec, at) })), missed, cursorAt, nextAt: next(cursorAt) };
}

/** How many ticks start a run however late they are. */
function caughtUp({ catchUp }: ScheduleSpec): number {
  if (catchUp === 'none') return 0;
  return catchUp === 'latest' ? 1 : catchUp.all;
}

/** How far back the tick before a tick is looked for: nine years, as far as the next one is. */
const PREVIOUS_MS = 9 * 366 * 86_400_000;

function previousOf(spec: ScheduleSpec, at: number): number {
  const span = { after: at - PREVIOUS_MS, until: at - 1, count: 1 };
  return lastTicks(parseCron(spec.cron), spec.timeZone, span)[0] ?? at;
}

/** The parameters of the run of a tick. */
export function tickParams(spec: ScheduleSpec, { at, previousAt }: DueTick): Record<string, string | number | boolean> {
  const values: Readonly<Record<string, string>> = {
    at: new Date(at).toISOString(),
    previous: new Date(previousAt).toISOString(),
    date: new Date(at + offsetAt(spec.timeZone, at)).toISOString().slice(0, 10),
  };
  const filled = (text: string): string =>
    text.replaceAll(/\$\{(at|previous|date)\}/g, (_, name) => values[name] ?? '');
  const entries = Object.entries(spec.params);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === 'string' ? filled(value) : value] as const),
  );
}

export interface NamedFreeze {
  readonly name: string;
  readonly spec: FreezeSpec;
}

/** The freeze that holds a pipeline at a moment. Its end is not part of it. */
export function freezeOf(freezes: readonly NamedFreeze[], pipeline: string, now: number): NamedFreeze | undefined {
  return freezes.find(
    ({ spec }) =>
      Date.parse(spec.from) <= now &&
      now < Date.parse(spec.to) &&
      (spec.pipelines.length === 0 || spec.pipelines.includes(pipeline)),
  );
}
