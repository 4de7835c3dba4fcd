import { useQueries, useQuery } from '@tanstack/react-query';
import type { ScheduleView } from '#pipelines/schedules/contract';
import { read } from '../../data/read.ts';
import type { CalendarTick, FreezeSpan } from './calendar.ts';

/** What one request answers at most. A schedule of every minute has more of both than a calendar can show. */
const NEXT_MAX = 100;
const PAST_MAX = 1_000;
const RUNS_MAX = 1_000;
/** Schedules whose ticks are asked for. */
export const SCHEDULES_MAX = 40;

interface Ticks {
  readonly ticks: readonly CalendarTick[];
  readonly isLoading: boolean;
  readonly error: Error | null;
  /** Schedules of which not all ticks of the span are known, and up to when those to come are. */
  readonly cut: readonly string[];
}

/** The ticks of schedules between two times: what became of those that were, and those to come. */
export function useTicks(schedules: readonly ScheduleView[], from: number, to: number): Ticks {
  const asked = schedules.slice(0, SCHEDULES_MAX);
  const params = (schedule: ScheduleView) => ({ params: { schedule: schedule.schedule } });
  const next = useQueries({
    queries: asked.map((each) => read('schedules', 'nextTicks', { ...params(each), query: { count: NEXT_MAX } })),
  });
  const past = useQueries({
    queries: asked.map((each) => read('schedules', 'listTicks', { ...params(each), query: { limit: PAST_MAX } })),
  });
  const query = { cause: 'schedule' as const, from, limit: RUNS_MAX };
  const runs = useQuery(read('pipelines', 'listPipelineRuns', { query }));
  const statuses = new Map(runs.data?.items.map(({ run, status }) => [run, status]));
  const isIn = ({ at }: { readonly at: number }) => at >= from && at < to;
  const ticks = asked.flatMap((schedule, index): CalendarTick[] => {
    const name = schedule.schedule;
    const was = past[index]?.data?.items.filter(isIn) ?? [];
    const known = new Set(was.map(({ at }) => at));
    const isPaused = schedule.pausedAt !== null;
    const comes = next[index]?.data?.items.filter((tick) => isIn(tick) && !known.has(tick.at)) ?? [];
    return [
      ...was.map(({ at, outcome, run, reason }) => {
        const status = (run && statuses.get(run)) ?? OUTCOMES[outcome] ?? outcome;
        return { schedule: name, at, status, run, reason };
      }),
      ...comes.map(({ at }) => {
        const status = isPaused ? 'held' : 'scheduled';
        return { schedule: name, at, status, run: null, reason: isPaused ? schedule.pauseReason : null };
      }),
    ];
  });
  const cut = asked.filter((_, index) => {
    const [comes, was] = [next[index]?.data?.items ?? [], past[index]?.data?.items ?? []];
    const endsEarly = comes.length === NEXT_MAX && (comes.at(-1)?.at ?? to) < to;
    return endsEarly || (was.length === PAST_MAX && (was.at(-1)?.at ?? from) > from);
  });
  const all = [...next, ...past, runs];
  return {
    ticks,
    isLoading: all.some(({ isPending }) => isPending),
    error: all.find(({ error }) => error !== null)?.error ?? null,
    cut: cut.map(({ schedule }) => schedule),
  };
}

/** Words that have a look, for outcomes that started no run or one that is not listed. */
const OUTCOMES: Readonly<Record<string, string>> = { started: 'fired', frozen: 'held', overlapped: 'skipped' };

/** The freezes that are declared. */
export function useFreezes(): readonly FreezeSpan[] {
  const freezes = useQuery(read('resources', 'listResources', { query: { kind: 'freeze' } }));
  return (freezes.data?.items ?? []).map(({ name, spec }) => ({
    name,
    reason: String(spec['reason'] ?? ''),
    from: Date.parse(String(spec['from'])),
    to: Date.parse(String(spec['to'])),
    pipelines: Array.isArray(spec['pipelines']) ? spec['pipelines'].map(String) : [],
  }));
}
