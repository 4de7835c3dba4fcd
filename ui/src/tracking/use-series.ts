import { queryOptions } from '@tanstack/react-query';
import { kedge } from '../data/read.ts';
import type { Points } from './curve.ts';
import { numberOf } from './run.ts';

const PAGES_MAX = 20;
const LIVE_MS = 4_000;

interface SeriesPage extends Points {
  readonly after: string | undefined;
  readonly next: string | undefined;
}

export interface Series {
  readonly pages: readonly SeriesPage[];
  /** There are more points than are drawn. */
  readonly isCut: boolean;
}

/**
 * Every point of a metric. Renewing it reads the last page only, since points are never changed once they are logged;
 * while the run is on, that happens every few seconds.
 */
export function series(of: { readonly run: string; readonly key: string; readonly isLive: boolean }) {
  const { run, key, isLive } = of;
  return queryOptions({
    // Not below 'tracking': an event elsewhere makes no curve stale.
    queryKey: ['metric-series', run, key],
    queryFn: async ({ client, queryKey, signal }): Promise<Series> => {
      const before = client.getQueryData<Series>(queryKey);
      const pages = [...(before?.pages ?? [])];
      let after = pages.pop()?.after;
      do {
        const { steps, timestamps, values, next } = await kedge.tracking.metricSeries({
          params: { run },
          query: { key, after },
          signal,
        });
        pages.push({ after, next, steps, timestamps, values: values.map(numberOf) });
        after = next;
      } while (after !== undefined && pages.length < PAGES_MAX);
      return { pages, isCut: after !== undefined };
    },
    refetchInterval: isLive ? LIVE_MS : false,
    staleTime: isLive ? 0 : Number.POSITIVE_INFINITY,
  });
}

export function pointsOf({ pages }: Series): Points {
  return {
    steps: pages.flatMap((page) => page.steps),
    timestamps: pages.flatMap((page) => page.timestamps),
    values: pages.flatMap((page) => page.values),
  };
}
