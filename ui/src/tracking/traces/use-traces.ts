import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useMemo } from 'react';
import { kedge } from '../../data/read.ts';
import type { Trace } from './trace.ts';

const PAGE = 250;

export interface Traces {
  /** Undefined until the first page is there. */
  readonly items: readonly Trace[] | undefined;
  readonly error: Error | null;
  /** How many the filter finds in all. */
  readonly total: number | undefined;
  readonly isLoading: boolean;
  /** Asks for the next page, once. */
  readonly more: () => void;
  /** Begins again with the first page. */
  readonly again: () => void;
}

/** The traces that a filter finds, page after page as they are scrolled to. */
export function useTraces(experiment: string, { filter, order }: { filter: string; order: string }): Traces {
  const pages = useInfiniteQuery({
    // Not below 'tracking', whose queries events renew: that would fetch every page that was scrolled to.
    queryKey: ['traces', experiment, filter, order],
    queryFn: async ({ pageParam, signal }) => {
      const params = { experiment };
      const [page, counted] = await Promise.all([
        kedge.tracking.findTraces({ params, query: { filter, order, limit: PAGE, after: pageParam }, signal }),
        pageParam === undefined ? kedge.tracking.countTraces({ params, query: { filter }, signal }) : undefined,
      ]);
      return { ...page, total: counted?.traces };
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next,
    placeholderData: keepPreviousData,
  });
  const { data, error, isFetching, hasNextPage, fetchNextPage, refetch } = pages;
  const more = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage]);
  const again = useCallback(() => void refetch(), [refetch]);
  const items = useMemo(() => data?.pages.flatMap((page) => page.items), [data]);
  return { items: error ? undefined : items, error, total: data?.pages[0]?.total, isLoading: isFetching, more, again };
}
