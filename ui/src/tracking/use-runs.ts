import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useCallback, useMemo } from 'react';
import { kedge, read } from '../data/read.ts';
import type { TrackedRun } from './run.ts';

const PAGE = 250;
const NEWS_MS = 10_000;

export interface RunQuestion {
  readonly experiment: string;
  readonly filter: string;
  /** As the server has it: `metrics.loss DESC`. */
  readonly order: string;
  readonly lifecycle: 'active' | 'deleted';
}

export interface Runs {
  /** Undefined until the first page is there. */
  readonly items: readonly TrackedRun[] | undefined;
  readonly error: Error | null;
  /** How many the filter finds in all. */
  readonly total: number | undefined;
  /** How many were found more since the first page came. */
  readonly news: number;
  readonly isLoading: boolean;
  /** Asks for the next page, once. */
  readonly more: () => void;
  /** Begins again with the first page. */
  readonly again: () => void;
}

/**
 * The runs that a filter finds, page after page as they are scrolled to. Each page goes on from the last run of the one
 * before. What is shown stays as it is while runs come in; their number is asked for from time to time.
 */
export function useRuns({ experiment, filter, order, lifecycle }: RunQuestion): Runs {
  const params = { experiment };
  const pages = useInfiniteQuery({
    // Not below 'tracking', whose queries events renew: that would fetch every page that was scrolled to.
    queryKey: ['tracked-runs', experiment, filter, order, lifecycle],
    queryFn: async ({ pageParam, signal }) => {
      const query = { filter, order, lifecycle, limit: PAGE, after: pageParam };
      const first = pageParam === undefined;
      const [page, counted] = await Promise.all([
        kedge.tracking.findRuns({ params, query, signal }),
        first ? kedge.tracking.countRuns({ params, query: { filter, lifecycle }, signal }) : undefined,
      ]);
      return { ...page, total: counted?.runs };
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next,
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const counted = useQuery({
    ...read('tracking', 'countRuns', { params, query: { filter, lifecycle } }),
    refetchInterval: NEWS_MS,
    enabled: pages.data !== undefined && !pages.isPlaceholderData,
  });
  const { data, error, isFetching, hasNextPage, fetchNextPage, refetch } = pages;
  const total = data?.pages[0]?.total;
  const more = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage]);
  const again = useCallback(() => void refetch(), [refetch]);
  const items = useMemo(() => data?.pages.flatMap((page) => page.items), [data]);
  const news = pages.isPlaceholderData ? 0 : Math.max(0, (counted.data?.runs ?? 0) - (total ?? 0));
  return { items: error ? undefined : items, error, total, news, isLoading: isFetching, more, again };
}
