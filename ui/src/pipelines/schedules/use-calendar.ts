import { queryOptions, useQuery } from '@tanstack/react-query';
import type { CalendarDay } from '#pipelines/schedules/contract';
import { kedge, read } from '../../data/read.ts';
import type { FreezeSpan } from './calendar.ts';

/** Schedules of an answer, and answers that are asked for. */
const PAGE_SCHEDULES = 200;
const PAGES_MAX = 10;

export interface CalendarSpan {
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
  readonly timeZone: string;
  /** The only schedule that is shown; all of them without. */
  readonly schedule: string | undefined;
  /** Ticks of a schedule and day that are shown each. */
  readonly each: number;
}

interface Calendar {
  readonly days: readonly CalendarDay[];
  readonly isLoading: boolean;
  readonly error: Error | null;
  /** The last schedule that is shown, when there are more than are asked for. */
  readonly endsWith: string | undefined;
}

/** The ticks of schedules by day: what became of those that were, and those to come. */
export function useCalendar(span: CalendarSpan): Calendar {
  const { data, error, isPending } = useQuery(calendar(span));
  return { days: data?.days ?? [], isLoading: isPending, error, endsWith: data?.endsWith };
}

function calendar(span: CalendarSpan) {
  return queryOptions({
    queryKey: ['schedules', 'scheduleCalendar', span],
    async queryFn({ signal }) {
      const days: CalendarDay[] = [];
      let after: string | undefined;
      for (let page = 0; page < PAGES_MAX; page++) {
        const query = { ...span, limit: PAGE_SCHEDULES, after };
        const { items, next } = await kedge.schedules.scheduleCalendar({ query, signal });
        days.push(...items);
        after = next;
        if (after === undefined) break;
      }
      return { days, endsWith: after };
    },
  });
}

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
